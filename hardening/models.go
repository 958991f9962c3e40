package hardening

import (
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// key identifies a unit that is guarded and recovered on its own: a service with its
// default model, where model is empty, or one further model of it.
type key struct{ service, model string }

// keyOf returns the key of a unit.
func keyOf(unit Unit) key { return key{unit.Name(), unit.Model()} }

// String returns a readable name.
func (k key) String() string {
	if k.model == "" {
		return k.service
	}
	return "model " + k.model + " of " + k.service
}

// logger returns a logger with the key as attributes.
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

// modelSet holds the models that may be labels of metrics, so that a late event of a
// removed model does not recreate its series. The zero value is ready. Safe for
// concurrent use.
type modelSet struct {
	mu    sync.Mutex
	known map[key]bool
}

// add adds a model and calls fn.
func (s *modelSet) add(of key, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[key]bool)
	}
	s.known[of] = true
	fn()
}

// with calls fn for a service and for a model in the set.
func (s *modelSet) with(of key, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.model == "" || s.known[of] {
		fn()
	}
}

// remove removes a model and its series.
func (s *modelSet) remove(of key, vectors ...*prometheus.MetricVec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, of)
	of.delete(vectors...)
}
