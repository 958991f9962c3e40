package hardening

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/services"
)

// GuardMetrics are the metrics of all guards. The label model is empty for a
// service's own guard. Safe for concurrent use.
type GuardMetrics struct {
	state       *prometheus.GaugeVec
	transitions *prometheus.CounterVec
	retries     *prometheus.CounterVec
	hold        *prometheus.GaugeVec
	health      *prometheus.GaugeVec
	// models are the models that have series.
	models modelSet
}

// NewGuardMetrics registers the metrics of the guards.
func NewGuardMetrics(reg prometheus.Registerer) *GuardMetrics {
	m := &GuardMetrics{
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "grym_breaker_state",
			Help: "State of a circuit breaker, of a model or (empty) of the service: 0 closed, 1 half-open, 2 open.",
		}, []string{"service", "model"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grym_breaker_transitions_total",
			Help: "Changes of a circuit breaker, by the state it went to.",
		}, []string{"service", "model", "to"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grym_retries_total",
			Help: "Attempts beyond the first.",
		}, []string{"service", "model"}),
	}
	m.hold = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_breaker_held", Help: "1 while an operator holds a circuit breaker open.",
	}, []string{"service", "model"})
	m.health = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "grym_service_health",
		Help: "1 for the health of a service, or of a model of it, by the outcomes of its recent tasks: healthy, degraded, unproven, failing.",
	}, []string{"service", "model", "health"})
	reg.MustRegister(m.state, m.transitions, m.retries, m.hold, m.health)
	return m
}

// breakerValues are the numbers of grym_breaker_state.
var breakerValues = map[circuitbreaker.State]float64{
	circuitbreaker.ClosedState:   0,
	circuitbreaker.HalfOpenState: 1,
	circuitbreaker.OpenState:     2,
}

// watch creates a guard's series, so that they exist before its first event.
func (m *GuardMetrics) watch(of key) {
	m.models.add(of, func() {
		m.state.WithLabelValues(of.service, of.model)
		m.retries.WithLabelValues(of.service, of.model)
		for state := range breakerValues {
			m.transitions.WithLabelValues(of.service, of.model, state.String())
		}
		m.hold.WithLabelValues(of.service, of.model)
		m.setHealth(of, services.HealthHealthy)
	})
}

// setHealth exports the health. It is called with the model in the set.
func (m *GuardMetrics) setHealth(of key, health services.HealthStatus) {
	for _, status := range services.HealthStatuses() {
		value := 0.0
		if status == health {
			value = 1
		}
		m.health.WithLabelValues(of.service, of.model, string(status)).Set(value)
	}
}

// Forget removes the series of a model that has gone.
func (m *GuardMetrics) Forget(service, model string) {
	m.models.remove(key{service, model}, m.state.MetricVec, m.transitions.MetricVec, m.retries.MetricVec, m.hold.MetricVec,
		m.health.MetricVec)
}

// breakerChanged counts a change of a breaker and exports the state that clients see.
func (m *GuardMetrics) breakerChanged(of key, to circuitbreaker.State, seen string) {
	m.models.with(of, func() {
		m.setState(of, seen)
		m.transitions.WithLabelValues(of.service, of.model, to.String()).Inc()
	})
}

// setState exports the state of a breaker. It is called with the model in the set.
func (m *GuardMetrics) setState(of key, state string) {
	for known, value := range breakerValues {
		if known.String() == state {
			m.state.WithLabelValues(of.service, of.model).Set(value)
		}
	}
}

// held exports whether an operator holds a breaker, and the state that clients see then.
func (m *GuardMetrics) held(of key, held bool, seen string) {
	m.models.with(of, func() {
		value := 0.0
		if held {
			value = 1
		}
		m.hold.WithLabelValues(of.service, of.model).Set(value)
		m.setState(of, seen)
	})
}

func (m *GuardMetrics) healthChanged(of key, to services.HealthStatus) {
	m.models.with(of, func() { m.setHealth(of, to) })
}

func (m *GuardMetrics) retried(of key) {
	m.models.with(of, func() { m.retries.WithLabelValues(of.service, of.model).Inc() })
}

// TaskMetrics counts the tasks of the orchestrator, with metrics as other inference
// servers have them. Safe for concurrent use.
type TaskMetrics struct {
	requests *prometheus.CounterVec
	queue    *prometheus.HistogramVec
	compute  *prometheus.HistogramVec
	// executions of the engine, and inputs that they computed.
	executions, inputs *prometheus.CounterVec
}

// NewTaskMetrics registers the metrics of tasks.
func NewTaskMetrics(reg prometheus.Registerer) *TaskMetrics {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 18) // 1 ms to 131 s
	m := &TaskMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grym_inference_requests_total",
			Help: "Tasks that ended, by outcome.",
		}, []string{"service", "model", "outcome"}),
		queue: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "grym_inference_queue_seconds",
			Help:    "Time from a task's arrival to its start.",
			Buckets: seconds,
		}, []string{"service"}),
		compute: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "grym_inference_compute_seconds",
			Help:    "Time spent computing, by stage: input, infer, output.",
			Buckets: seconds,
		}, []string{"service", "stage"}),
	}
	m.executions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_inference_executions_total", Help: "Runs of the inference engine for tasks; a batch is one.",
	}, []string{"service", "model"})
	m.inputs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_inference_inputs_total", Help: "Inputs that the inference engine computed for tasks; each of a batch counts.",
	}, []string{"service", "model"})
	reg.MustRegister(m.requests, m.queue, m.compute, m.executions, m.inputs)
	return m
}

// Watch creates a service's series, so that they exist before its first event.
func (m *TaskMetrics) Watch(d services.Description) {
	m.queue.WithLabelValues(d.Name)
	for _, stage := range services.Stages() {
		m.compute.WithLabelValues(d.Name, string(stage))
	}
	m.executions.WithLabelValues(d.Name, d.DefaultModel)
	m.inputs.WithLabelValues(d.Name, d.DefaultModel)
	for _, outcome := range services.Outcomes() {
		m.requests.WithLabelValues(d.Name, d.DefaultModel, string(outcome))
	}
}

// Forget removes the series of a model that has gone. No task of the model may be
// running.
func (m *TaskMetrics) Forget(service, model string) {
	key{service, model}.delete(m.requests.MetricVec, m.executions.MetricVec, m.inputs.MetricVec)
}

// TaskEnded implements the orchestrator's observer. model must be one that
// exists, or empty, so that a client cannot make up label values.
func (m *TaskMetrics) TaskEnded(event services.TaskEvent) {
	m.requests.WithLabelValues(event.Service, event.Model, string(services.OutcomeOf(event.Err))).Inc()
	if event.Executions > 0 {
		m.executions.WithLabelValues(event.Service, event.Model).Add(float64(event.Executions))
		m.inputs.WithLabelValues(event.Service, event.Model).Add(float64(event.Inputs))
	}
	if event.Started {
		observed(m.queue.WithLabelValues(event.Service), event.Queued, event.TraceID)
	}
	for _, stage := range event.Stages {
		observed(m.compute.WithLabelValues(event.Service, string(stage.Stage)), stage.Duration, event.TraceID)
	}
}

// observed records a duration, with the trace id as its exemplar if there is one. Only
// the OpenMetrics format shows it.
func observed(histogram prometheus.Observer, d time.Duration, trace string) {
	if with, ok := histogram.(prometheus.ExemplarObserver); ok && trace != "" {
		with.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	histogram.Observe(d.Seconds())
}

// StateMetrics exports the state of every service, and of every model with a state of
// its own. Safe for concurrent use.
type StateMetrics struct {
	state  *prometheus.GaugeVec
	steps  *prometheus.CounterVec
	models modelSet
}

// NewStateMetrics registers the metrics of the services' states.
func NewStateMetrics(reg prometheus.Registerer) *StateMetrics {
	m := &StateMetrics{
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "grym_service_state", Help: "1 for the state that a service, or a model of it, is in.",
		}, []string{"service", "model", "state"}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grym_service_transitions_total", Help: "Steps in the life of a service, or of a model of it, by the state it went to.",
		}, []string{"service", "model", "to"}),
	}
	reg.MustRegister(m.state, m.steps)
	return m
}

// Watch starts counting a model's state changes.
func (m *StateMetrics) Watch(service, model string) { m.models.add(key{service, model}, func() {}) }

// Forget removes the series of a model that has gone.
func (m *StateMetrics) Forget(service, model string) {
	m.models.remove(key{service, model}, m.state.MetricVec, m.steps.MetricVec)
}

// Transition records a state change.
func (m *StateMetrics) Transition(step services.Transition) {
	m.models.with(key{step.Service, step.Model}, func() {
		m.state.WithLabelValues(step.Service, step.Model, string(step.From)).Set(0)
		m.state.WithLabelValues(step.Service, step.Model, string(step.To)).Set(1)
		m.steps.WithLabelValues(step.Service, step.Model, string(step.To)).Inc()
	})
}
