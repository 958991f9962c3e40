package app

import (
	"runtime"

	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// adapt is called after each sample: what the performance monitor expects becomes
// advice for the memory manager, which acts on it where it may.
func (b *budget) adapt(latest performance.Sample, forecasts []performance.Forecast) {
	b.advise(runtime.GOMAXPROCS(0), latest, forecasts)
}

// advise is adapt on a machine with so many cores.
func (b *budget) advise(cores int, latest performance.Sample, forecasts []performance.Forecast) {
	idle := max(float64(cores)-latest.CPU, 0)
	outlook := resources.Outlook{IdleCores: idle, Cores: cores, Services: make(map[string]resources.ServiceOutlook)}
	for _, o := range forecasts {
		expected := o.Expected()
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
	b.memory.Adapt(outlook)
}
