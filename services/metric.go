package services

// Metric is a measurement specific to one service.
type Metric struct {
	// Name is in lower case with underscores and ends with the unit, as in
	// "cached_bytes", followed by "_total" for a counter. It is exported as
	// grym_custom_<name> with the label service.
	Name string
	// Help is a one-sentence description.
	Help string
	// Counter reports whether the value only increases; otherwise it is a gauge.
	Counter bool
	// Read returns the current value. It must be fast and safe for concurrent use.
	Read func() float64
}

// Instrumented is implemented by services with metrics of their own. They are exported
// with all others and sampled by the performance monitor.
type Instrumented interface {
	// CustomMetrics is called once, when the service is registered.
	CustomMetrics() []Metric
}
