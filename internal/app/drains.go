package app

import (
	"encoding/json"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// drainsFile stores the drains in the data folder.
const drainsFile = "drains.json"

// drainList is the content of drainsFile.
type drainList struct {
	Drains []orchestrator.Drain `json:"drains"`
}

// keepDrains puts the stored drains in force and has changes stored: what an operator
// refused stays refused after a crash.
func (s *system) keepDrains(dir *datadir.Dir) error {
	raw, err := dir.Read(drainsFile)
	if err != nil {
		return err
	}
	var stored drainList
	if raw != nil {
		if err := json.Unmarshal(raw, &stored); err != nil {
			return fmt.Errorf("dataDir: %s is damaged; delete it to start with every service in use: %w", drainsFile, err)
		}
	}
	var known []orchestrator.Drain
	for _, drain := range stored.Drains {
		if _, err := s.registry.Lookup(drain.Service); err != nil {
			s.log.Warn("a drain of an unknown service was dropped", "service", drain.Service)
			continue
		}
		s.log.Warn("drained by an operator", "service", drain.Service, "model", drain.Model, "reason", drain.Reason, "since", drain.Since)
		known = append(known, drain)
	}
	s.registry.KeepDrains(known, func(list []orchestrator.Drain) error {
		raw, err := json.Marshal(drainList{append([]orchestrator.Drain{}, list...)})
		if err == nil {
			err = dir.Write(drainsFile, append(raw, '\n'))
		}
		if err != nil {
			return services.Unstored(err, services.KindInternal, drainsFile+" could not be written")
		}
		return nil
	})
	s.metrics.MustRegister(drainMetrics{s.registry})
	return nil
}

// drainMetrics exports which services and models are drained.
type drainMetrics struct{ registry *orchestrator.Registry }

var drainedDesc = prometheus.NewDesc("grym_service_drained", "1 while an operator has drained the service or the model.",
	[]string{"service", "model"}, nil)

// Describe implements prometheus.Collector.
func (drainMetrics) Describe(descs chan<- *prometheus.Desc) { descs <- drainedDesc }

// Collect implements prometheus.Collector.
func (m drainMetrics) Collect(metrics chan<- prometheus.Metric) {
	drained := make(map[string]bool)
	for _, drain := range m.registry.Drains() {
		metrics <- prometheus.MustNewConstMetric(drainedDesc, prometheus.GaugeValue, 1, drain.Service, drain.Model)
		drained[drain.Service] = drained[drain.Service] || drain.Model == ""
	}
	for _, entry := range m.registry.List() {
		if !drained[entry.Name()] {
			metrics <- prometheus.MustNewConstMetric(drainedDesc, prometheus.GaugeValue, 0, entry.Name(), "")
		}
	}
}

var _ prometheus.Collector = drainMetrics{}
