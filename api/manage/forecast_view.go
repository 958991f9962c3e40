package manage

import (
	"math"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/hardening/performance"
)

// ForecastView returns the forecast and the recommended actions.
func (s *State) ForecastView() gen.Forecast {
	advice := s.Memory.Advice()
	view := gen.Forecast{
		Estimator: performance.Estimator, Dynamic: gen.ForecastDynamic(s.Memory.Dynamic()),
		Series: []gen.SeriesForecast{}, Runs: []gen.RunAdvice{}, Models: []gen.ModelAdvice{},
	}
	if !advice.At.IsZero() {
		view.At = &advice.At
	}
	for _, o := range s.Performance.Forecasts() {
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
		ahead := gen.ForecastAhead{Minutes: int(math.Round(a.In.Minutes())), Compared: a.Compared, Used: a.Used()}
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
