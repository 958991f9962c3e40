package performance

import (
	"log/slog"
	"math"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/services"
)

// maxCustom bounds the metrics that one service registers.
const maxCustom = 64

// customName matches valid names of a service's metrics.
var customName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// CustomValue is a service's own figure in a sample.
type CustomValue struct {
	Name  string
	Value float64
}

// customMetrics are those that services register. Not safe for concurrent use;
// the performance monitor guards it.
type customMetrics struct {
	reg       prometheus.Registerer
	log       *slog.Logger
	byService map[string][]services.Metric
}

func newCustomMetrics(reg prometheus.Registerer, log *slog.Logger) *customMetrics {
	return &customMetrics{reg: reg, log: log, byService: make(map[string][]services.Metric)}
}

// register registers a service's metrics. An invalid one is left out and logged: it is
// a mistake in the service, but no reason to refuse it.
func (c *customMetrics) register(service string, metrics []services.Metric) {
	for i, m := range metrics {
		problem := ""
		switch {
		case i >= maxCustom:
			problem = "there are too many"
		case !customName.MatchString(m.Name):
			problem = "its name is not of lower case letters, digits and underscores"
		case m.Counter != strings.HasSuffix(m.Name, "_total"):
			problem = "counters end in _total, and nothing else does"
		case m.Help == "" || m.Read == nil:
			problem = "it has no help or no reader"
		default:
			if err := c.reg.Register(custom(service, m)); err != nil {
				problem = err.Error()
			}
		}
		if problem != "" {
			c.log.Error("a service's metric is left out", "service", service, "metric", m.Name, "problem", problem)
			continue
		}
		c.byService[service] = append(c.byService[service], m)
	}
}

func custom(service string, m services.Metric) prometheus.Collector {
	name, labels := "grym_custom_"+m.Name, prometheus.Labels{"service": service}
	if m.Counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: m.Help, ConstLabels: labels}, m.Read)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: m.Help, ConstLabels: labels}, m.Read)
}

// values reads a service's metrics. NaN and infinities are left out, since JSON cannot
// represent them.
func (c *customMetrics) values(service string) []CustomValue {
	var list []CustomValue
	for _, m := range c.byService[service] {
		if v := m.Read(); !math.IsNaN(v) && !math.IsInf(v, 0) {
			list = append(list, CustomValue{m.Name, v})
		}
	}
	return list
}
