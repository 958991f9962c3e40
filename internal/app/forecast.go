package app

import (
	"math"
	"runtime"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// adapt is called after each sample: what the performance monitor expects becomes
// advice for the memory manager, which acts on it where it may.
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

// forecastView returns what is expected, and what to do about it.
func (s *system) forecastView() gen.Forecast {
	advice := s.memory.Advice()
	view := gen.Forecast{
		Estimator: performance.Estimator, Dynamic: gen.ForecastDynamic(s.memory.Dynamic()),
		Series: []gen.SeriesForecast{}, Runs: []gen.RunAdvice{}, Models: []gen.ModelAdvice{},
	}
	if !advice.At.IsZero() {
		view.At = &advice.At
	}
	for _, o := range s.performance.Forecasts() {
		view.Series = append(view.Series, seriesView(o))
	}
	for _, a := range advice.Services {
		view.Runs = append(view.Runs, gen.RunAdvice{
			Service: a.Service, Runs: a.Runs, Configured: a.Configured, Max: a.Max, Wanted: a.Wanted, Demand: a.Demand,
			Action: gen.RunAdviceAction(a.Action), Reason: a.Reason,
		})
	}
	for _, a := range advice.Models {
		view.Models = append(view.Models, gen.ModelAdvice{
			Service: a.Service, Model: a.Model, Bytes: int64(a.Bytes), UsesPerMinute: a.UsesPerMinute,
			Action: gen.ModelAdviceAction(a.Action), Reason: a.Reason,
		})
	}
	return view
}

func seriesView(o performance.Forecast) gen.SeriesForecast {
	view := gen.SeriesForecast{Series: gen.SeriesForecastSeries(o.Series), Now: o.Now, Known: o.Known, Ahead: []gen.ForecastAhead{}}
	if o.Service != "" {
		view.Service = &o.Service
	}
	if o.Known {
		view.Alpha, view.Beta, view.Phi = &o.Alpha, &o.Beta, &o.Phi
	}
	for _, a := range o.Ahead {
		ahead := gen.ForecastAhead{Minutes: int(math.Round(a.In.Minutes())), Compared: a.Compared}
		if o.Known {
			ahead.Value = &a.Value
		}
		if a.Compared > 0 {
			ahead.MeanError, ahead.NaiveError = &a.MeanError, &a.NaiveError
		}
		view.Ahead = append(view.Ahead, ahead)
	}
	return view
}
