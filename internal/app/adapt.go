package app

import (
	"runtime"

	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// adapt is called after each sample. It converts the forecast of the performance monitor to
// advice for the memory manager, which acts on it if it may.
func (s *system) adapt() {
	cores := runtime.GOMAXPROCS(0)
	outlook := resources.Outlook{IdleCores: float64(cores), Cores: cores, Services: make(map[string]resources.ServiceOutlook)}
	if sample, ok := s.performance.Latest(); ok {
		outlook.IdleCores = max(float64(cores)-sample.CPU, 0)
	}
	for _, o := range s.performance.Forecasts() {
		expected := o.Now
		if o.Known {
			expected = o.Ahead[0].Value
		}
		service := outlook.Services[o.Service]
		switch o.Series {
		case performance.SeriesMemory:
			if o.Known {
				outlook.Resident = services.Bytes(expected)
			}
			continue
		case performance.SeriesQueue:
			service.Waiting = expected
		case performance.SeriesArrivals:
			service.PerSecond = expected
		}
		outlook.Services[o.Service] = service
	}
	s.memory.Adapt(outlook)
}
