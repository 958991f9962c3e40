package resources

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/services"
)

// metrics of the budget. Gauges are read when they are scraped.
type metrics struct {
	wait      prometheus.Histogram
	evictions *prometheus.CounterVec
	predicted *prometheus.GaugeVec
	used      *prometheus.GaugeVec
	refusals  *prometheus.CounterVec
	runs      *prometheus.GaugeVec
	adapted   *prometheus.CounterVec
	loads     *prometheus.CounterVec
	// cleanups are runs of the automatic cleanup, cleaned what it unloaded.
	cleanups, cleaned, cleanedBytes prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, m *Manager) *metrics {
	gauge := func(name, help string, value func(Usage) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(m.Usage()) })
	}
	set := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "grym_lease_wait_seconds",
			Help:    "Time that tasks waited for memory and a run slot.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}),
		evictions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grym_evictions_total",
			Help: "Models unloaded to make room.",
		}, []string{"service"}),
	}
	set.predicted = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_lease_predicted_bytes", Help: "Memory predicted for the task that was measured last.",
	}, []string{"service"})
	set.used = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_lease_used_bytes", Help: "Memory that the task which was measured last used at its peak.",
	}, []string{"service"})
	set.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_lease_refusals_total", Help: "Tasks that were refused memory and a run slot, by reason.",
	}, []string{"service", "reason"})
	set.loads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_model_loads_total", Help: "Models loaded.",
	}, []string{"service"})
	set.runs = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_service_runs", Help: "Tasks of a service that may run at once.",
	}, []string{"service"})
	set.adapted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_service_runs_adapted_total", Help: "Changes of how many tasks of a service may run at once, made to follow demand.",
	}, []string{"service", "action"})
	set.cleanups = prometheus.NewCounter(prometheus.CounterOpts{Name: "grym_cleanups_total", Help: "Runs of the automatic cleanup."})
	set.cleaned = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "grym_cleaned_models_total", Help: "Models unloaded by the automatic cleanup.",
	})
	set.cleanedBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "grym_cleaned_bytes_total", Help: "Memory freed by the automatic cleanup.",
	})
	reg.MustRegister(set.wait, set.evictions, set.predicted, set.used, set.refusals, set.loads, set.runs, set.adapted,
		set.cleanups, set.cleaned, set.cleanedBytes,
		gauge("grym_memory_retained_bytes", "Memory that the engine keeps for the next runs of loaded models.",
			func(u Usage) float64 { return float64(u.Retained) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_memory_unbooked_bytes", Help: "Memory that the process was seen to hold beyond what is booked.",
		}, func() float64 {
			m.mu.Lock()
			defer m.mu.Unlock()
			return float64(m.unbooked.bytes)
		}),
		gauge("grym_memory_budget_bytes", "Memory that models and running tasks may use.", func(u Usage) float64 { return float64(u.Budget) }),
		gauge("grym_lease_reserved_bytes", "Memory leased by running tasks.", func(u Usage) float64 { return float64(u.Leased) }),
		gauge("grym_model_resident_bytes", "Memory held by loaded models.", func(u Usage) float64 { return float64(u.Resident) }),
		gauge("grym_inference_running", "Tasks that hold a run slot.", func(u Usage) float64 { return float64(u.Running) }),
		gauge("grym_inference_pending", "Tasks that wait for memory or a run slot.", func(u Usage) float64 { return float64(u.Waiting) }),
	)
	return set
}

// waited records a finished wait, with its trace id as the exemplar.
func (s *metrics) waited(d time.Duration, trace string) {
	if with, ok := s.wait.(prometheus.ExemplarObserver); ok && trace != "" {
		with.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	s.wait.Observe(d.Seconds())
}

// watch creates a service's series, so that they exist before its first event.
func (s *metrics) watch(service string) {
	s.evictions.WithLabelValues(service)
	s.predicted.WithLabelValues(service)
	s.used.WithLabelValues(service)
	s.loads.WithLabelValues(service)
	s.runs.WithLabelValues(service)
	for _, action := range []Action{Widen, Narrow} {
		s.adapted.WithLabelValues(service, string(action))
	}
	for _, why := range refusals {
		s.refusals.WithLabelValues(service, string(why))
	}
}

// measured records one measurement.
func (s *metrics) measured(service string, predicted, used services.Bytes) {
	s.predicted.WithLabelValues(service).Set(float64(predicted))
	s.used.WithLabelValues(service).Set(float64(used))
}
