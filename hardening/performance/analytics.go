package performance

import (
	"cmp"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// keptHours is how many hours the history covers.
	keptHours = 7 * 24
	// modelRuns is how many of its latest tasks a model's percentiles cover.
	modelRuns = 1024
	// maxModels and maxCauses bound the models and the causes of an hour.
	maxModels, maxCauses = 1024, 256
)

// history is what analytics are made from. Not safe for concurrent use; the monitor guards
// it.
type history struct {
	since  time.Time
	hours  []*hour // the oldest first
	models map[modelKey]*services.Recent[modelRun]
}

type modelKey struct{ service, model string }

// modelRun is a task that ran.
type modelRun struct {
	at          time.Time
	queued, ran time.Duration
	failed      bool
}

// hour is the sum of one hour.
type hour struct {
	HourUse
	causes map[causeKey]*Cause
}

type causeKey struct {
	cause, route string
}

// HourUse is what happened in one hour.
type HourUse struct {
	Start time.Time
	// Tasks that ended, Failed ones among them; Requests that were answered, Refused ones
	// among them.
	Tasks, Failed, Requests, Refused int
	// Work is the time that tasks ran, Queued the time that they waited.
	Work, Queued   time.Duration
	Received, Sent int64
}

// ModelUse is how long the tasks of a model took.
type ModelUse struct {
	Service, Model string
	// Tasks that ran, Failed ones among them.
	Tasks, Failed int
	// Work is the time that they ran.
	Work                   time.Duration
	RanP50, RanP95, RanMax time.Duration
	QueuedP95              time.Duration
}

// Cause is how often requests of a route were refused for one reason.
type Cause struct {
	// Cause is the code of the problem, Status that of the answer.
	Cause, Route string
	Status       int
	Count        int
	Last         time.Time
}

// Analytics is an analysis of the history.
type Analytics struct {
	// Since is the begin of what is covered.
	Since time.Time
	// Models with the slowest first, by RanP95; Hours with the busiest first, by Work;
	// Causes with the most frequent first.
	Models []ModelUse
	Hours  []HourUse
	Causes []Cause
}

func newHistory() history {
	return history{since: time.Now().UTC(), models: make(map[modelKey]*services.Recent[modelRun])}
}

// hour returns the sum of the hour of a time that is not before earlier ones.
func (h *history) hour(now time.Time) *hour {
	start := now.UTC().Truncate(time.Hour)
	if n := len(h.hours); n > 0 && !start.After(h.hours[n-1].Start) {
		return h.hours[n-1]
	}
	one := &hour{HourUse: HourUse{Start: start}, causes: make(map[causeKey]*Cause)}
	h.hours = append(h.hours, one)
	oldest := start.Add(-(keptHours - 1) * time.Hour)
	h.hours = slices.DeleteFunc(h.hours, func(o *hour) bool { return o.Start.Before(oldest) })
	return one
}

// task adds a task.
func (h *history) task(event services.TaskEvent, now time.Time) {
	one, failed := h.hour(now), event.Err != nil
	one.Tasks++
	if failed {
		one.Failed++
	}
	one.Work += event.Ran
	one.Queued += event.Queued
	if !event.Started || event.Service == "" {
		return
	}
	key := modelKey{event.Service, event.Model}
	runs := h.models[key]
	if runs == nil {
		if len(h.models) >= maxModels {
			h.forget(now)
		}
		if len(h.models) >= maxModels {
			return
		}
		recent := services.NewRecent[modelRun](modelRuns)
		runs = &recent
		h.models[key] = runs
	}
	runs.Add(modelRun{now, event.Queued, event.Ran, failed})
}

// forget drops the models that have not run for as long as the history covers.
func (h *history) forget(now time.Time) {
	for key, runs := range h.models {
		used := false
		for run := range runs.All() {
			used = used || now.Sub(run.at) < keptHours*time.Hour
		}
		if !used {
			delete(h.models, key)
		}
	}
}

// request adds a request.
func (h *history) request(event RequestEvent, now time.Time) {
	one := h.hour(now)
	one.Requests++
	one.Received += event.Received
	one.Sent += event.Sent
	if event.Cause == "" {
		return
	}
	one.Refused++
	key := causeKey{event.Cause, event.Route}
	if one.causes[key] == nil && len(one.causes) >= maxCauses {
		key.route = "other"
	}
	cause := one.causes[key]
	if cause == nil {
		cause = &Cause{Cause: key.cause, Route: key.route}
		one.causes[key] = cause
	}
	cause.Count++
	cause.Status, cause.Last = event.Status, now.UTC()
}

// analyze returns the analysis of the hours from a time on.
func (h *history) analyze(from time.Time) Analytics {
	from = from.UTC().Truncate(time.Hour)
	a := Analytics{Since: from}
	if h.since.After(from) {
		a.Since = h.since
	}
	causes := make(map[causeKey]Cause)
	for _, one := range h.hours {
		if one.Start.Before(from) {
			continue
		}
		a.Hours = append(a.Hours, one.HourUse)
		for key, cause := range one.causes {
			sum := *cause
			sum.Count += causes[key].Count
			causes[key] = sum
		}
	}
	for _, cause := range causes {
		a.Causes = append(a.Causes, cause)
	}
	for key, runs := range h.models {
		if use := modelUse(key, runs, from); use.Tasks > 0 {
			a.Models = append(a.Models, use)
		}
	}
	slices.SortFunc(a.Models, func(a, b ModelUse) int {
		return cmp.Or(cmp.Compare(b.RanP95, a.RanP95), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Model, b.Model))
	})
	slices.SortFunc(a.Hours, func(a, b HourUse) int {
		return cmp.Or(cmp.Compare(b.Work, a.Work), cmp.Compare(b.Requests, a.Requests), b.Start.Compare(a.Start))
	})
	slices.SortFunc(a.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Route, b.Route))
	})
	return a
}

// modelUse returns the use of a model from a time on. Percentiles are of tasks that
// succeeded.
func modelUse(key modelKey, runs *services.Recent[modelRun], from time.Time) ModelUse {
	use := ModelUse{Service: key.service, Model: key.model}
	var ran, queued []time.Duration
	for run := range runs.All() {
		if run.at.Before(from) {
			continue
		}
		use.Tasks++
		use.Work += run.ran
		if run.failed {
			use.Failed++
			continue
		}
		ran, queued = append(ran, run.ran), append(queued, run.queued)
	}
	if p := services.Percentiles(ran, 50, 95, 100); p != nil {
		use.RanP50, use.RanP95, use.RanMax = p[0], p[1], p[2]
	}
	if p := services.Percentiles(queued, 95); p != nil {
		use.QueuedP95 = p[0]
	}
	return use
}

// Analytics returns an analysis of the hours from a time on. It is empty while the monitor
// is disabled.
func (m *Monitor) Analytics(from time.Time) Analytics {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.history.analyze(from)
}

// requestEnded adds a request to the history.
func (m *Monitor) requestEnded(event RequestEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.Enabled {
		m.history.request(event, time.Now())
	}
}
