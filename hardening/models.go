package hardening

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// key names what is guarded and recovered by itself: a service with its default
// model, where model is empty, or one further model of it.
type key struct{ service, model string }

// keyOf returns the key of a unit.
func keyOf(unit Unit) key { return key{unit.Name(), unit.Model()} }

// String names it in a sentence for a person.
func (k key) String() string {
	if k.model == "" {
		return k.service
	}
	return "model " + k.model + " of " + k.service
}

// logger adds the key to what is logged.
func (k key) logger(log *slog.Logger) *slog.Logger {
	if log = log.With("service", k.service); k.model != "" {
		log = log.With("model", k.model)
	}
	return log
}

// delete removes the key's series from metrics.
func (k key) delete(vectors ...*prometheus.MetricVec) {
	for _, vector := range vectors {
		vector.DeletePartialMatch(prometheus.Labels{"service": k.service, "model": k.model})
	}
}

// modelSet has the models that exist as labels of metrics. What ends late for a model
// that has gone must not bring its series back. The zero value is ready. Safe for
// concurrent use.
type modelSet struct {
	mu    sync.Mutex
	known map[key]bool
}

// add makes a model known and calls fn.
func (s *modelSet) add(of key, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[key]bool)
	}
	s.known[of] = true
	fn()
}

// with calls fn for a service, and for a model that is known.
func (s *modelSet) with(of key, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.model == "" || s.known[of] {
		fn()
	}
}

// remove makes a model unknown and removes its series.
func (s *modelSet) remove(of key, vectors ...*prometheus.MetricVec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, of)
	of.delete(vectors...)
}
