package services

// Metric is a figure that a service has of its own, beyond those that every
// service has.
type Metric struct {
	// Name in lower case with underscores, its unit last, without a prefix:
	// "cached_bytes", and of a counter "_total" after it. It is exported as
	// grym_custom_<name> with the label service.
	Name string
	// Help says in a sentence what is counted.
	Help string
	// Counter tells that the figure only grows; else it is a gauge.
	Counter bool
	// Read gives the figure as it is now. It is called at any time, from several
	// goroutines, and must be quick.
	Read func() float64
}

// Instrumented is what a service implements that has metrics of its own. They are
// scraped with all others, and sampled by the performance monitor.
type Instrumented interface {
	// CustomMetrics is called once, when the service is registered.
	CustomMetrics() []Metric
}
