package performance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// horizons are how far ahead every series is forecast. The first is that of memory.
var horizons = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute}

const (
	// leastSamples is the minimum number of samples for a forecast.
	leastSamples = 12
	// fitSamples is how many of the latest samples the smoothing is fitted to.
	fitSamples = 240
	// refitAfter is the number of samples after which the smoothing is fitted again.
	refitAfter = 12
	// errorMemory is about how many forecasts their mean error covers.
	errorMemory = 240
)

// The series that are forecast.
const (
	SeriesMemory   = "memory_bytes"        // the resident set
	SeriesQueue    = "queue_tasks"         // tasks of a service that wait
	SeriesArrivals = "arrivals_per_second" // tasks of a service that arrive
)

// Forecast is the forecast of one series.
type Forecast struct {
	// Series is a name such as SeriesMemory; Service is empty for a series of the
	// process.
	Series, Service string
	// Now is the latest value. Known is false while there are too few samples.
	Now   float64
	Known bool
	// Alpha, Beta and Phi are the parameters of the smoothing that would have forecast the
	// first horizon best.
	Alpha, Beta, Phi float64
	Ahead            []Ahead
}

// Expected returns what the server acts on for the first horizon: the forecast where it has
// been better than the one that nothing changes, else the present value.
func (f Forecast) Expected() float64 {
	if len(f.Ahead) > 0 && f.Ahead[0].Used() {
		return f.Ahead[0].Value
	}
	return f.Now
}

// Ahead is the forecast for one horizon and the error of earlier ones.
type Ahead struct {
	In    time.Duration
	Value float64
	// Compared is how many forecasts have been compared with the actual value,
	// MeanError their mean absolute error, NaiveError that of forecasting no change.
	Compared              int
	MeanError, NaiveError float64
}

const (
	// leastCompared is the minimum number of comparisons before a forecast is used.
	leastCompared = 24
	// better is the part of the naive error below which a forecast is used.
	better = 0.95
)

// Used reports whether the forecast has been better than the one that nothing changes, so
// that the server acts on it.
func (a Ahead) Used() bool {
	return a.Compared >= leastCompared && a.MeanError < better*a.NaiveError
}

// forecasts holds the forecasts of all series and their errors. Not safe for concurrent
// use.
type forecasts struct {
	series map[[2]string]*series
	value  *prometheus.GaugeVec
	off    *prometheus.GaugeVec
	naive  *prometheus.GaugeVec
}

// series is one series with its forecast.
type series struct {
	values  []float64
	fitted  []smoothing // by horizon
	since   int         // samples until the next fit
	view    Forecast
	pending [][]guess // by horizon, the oldest first
}

// guess is a forecast whose time has not come yet.
type guess struct {
	at            time.Time
	value, before float64
}

func newForecasts(reg prometheus.Registerer) *forecasts {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"series", "service", "ahead"})
	}
	f := &forecasts{
		series: make(map[[2]string]*series),
		value:  gauge("grym_forecast", "Forecast of a series, in the unit of its name, by how far ahead."),
		off:    gauge("grym_forecast_error", "Mean distance between forecasts and what came, in the unit of the series."),
		naive:  gauge("grym_forecast_naive_error", "What that distance would have been for the forecast that nothing changes."),
	}
	reg.MustRegister(f.value, f.off, f.naive)
	return f
}

// forget drops every value.
func (f *forecasts) forget() {
	f.series = make(map[[2]string]*series)
	for _, vec := range []*prometheus.GaugeVec{f.value, f.off, f.naive} {
		vec.Reset()
	}
}

// add adds the next value of a series, an interval after the one before.
func (f *forecasts) add(name, service string, value float64, now time.Time, interval time.Duration) {
	key := [2]string{name, service}
	one := f.series[key]
	if one == nil {
		view := Forecast{Series: name, Service: service, Ahead: make([]Ahead, len(horizons))}
		one = &series{pending: make([][]guess, len(horizons)), fitted: make([]smoothing, len(horizons)), view: view}
		for i, in := range horizons {
			one.view.Ahead[i].In = in
		}
		f.series[key] = one
	}
	one.add(value, now, interval)
	for _, ahead := range one.view.Ahead {
		label := []string{name, service, fmt.Sprintf("%.0fm", ahead.In.Minutes())}
		if one.view.Known {
			f.value.WithLabelValues(label...).Set(ahead.Value)
		}
		if ahead.Compared > 0 {
			f.off.WithLabelValues(label...).Set(ahead.MeanError)
			f.naive.WithLabelValues(label...).Set(ahead.NaiveError)
		}
	}
}

// add compares the value with its forecasts and makes new ones.
func (s *series) add(value float64, now time.Time, interval time.Duration) {
	s.view.Now = value
	s.values = append(s.values, value)
	s.values = slices.Clone(s.values[max(len(s.values)-fitSamples, 0):])
	for i := range horizons {
		s.compare(i, value, now)
	}
	if len(s.values) < leastSamples {
		return
	}
	s.since--
	for i, in := range horizons {
		steps := max(int(math.Round(in.Seconds()/interval.Seconds())), 1)
		if s.since <= 0 {
			judged := steps
			if s.view.Series == SeriesMemory && len(s.values) < 2*steps {
				judged = 1 // a leak is to be seen early
			}
			s.fitted[i] = fit(s.values, judged)
		} else {
			s.fitted[i].add(value)
		}
		// None of the series can be below zero.
		forecast := math.Max(s.fitted[i].ahead(steps), 0)
		s.view.Ahead[i].Value = forecast
		s.pending[i] = append(s.pending[i], guess{now.Add(in), forecast, value})
	}
	if s.since <= 0 {
		s.since = refitAfter
	}
	s.view.Known, s.view.Alpha, s.view.Beta, s.view.Phi = true, s.fitted[0].alpha, s.fitted[0].beta, s.fitted[0].phi
}

// compare updates the error with the forecasts of this value.
func (s *series) compare(horizon int, value float64, now time.Time) {
	ahead := &s.view.Ahead[horizon]
	for len(s.pending[horizon]) > 0 && !s.pending[horizon][0].at.After(now) {
		g := s.pending[horizon][0]
		s.pending[horizon] = s.pending[horizon][1:]
		ahead.Compared++
		weight := 1 / float64(min(ahead.Compared, errorMemory))
		ahead.MeanError += weight * (math.Abs(g.value-value) - ahead.MeanError)
		ahead.NaiveError += weight * (math.Abs(g.before-value) - ahead.NaiveError)
	}
}

// one returns the forecast of one series.
func (f *forecasts) one(name, service string) Forecast {
	if s := f.series[[2]string{name, service}]; s != nil {
		return s.forecast()
	}
	return Forecast{Series: name, Service: service}
}

// forecast returns a copy.
func (s *series) forecast() Forecast {
	view := s.view
	view.Ahead = slices.Clone(view.Ahead)
	return view
}

// list returns every forecast, the process's first.
func (f *forecasts) list() []Forecast {
	list := make([]Forecast, 0, len(f.series))
	for _, one := range f.series {
		list = append(list, one.forecast())
	}
	slices.SortFunc(list, func(a, b Forecast) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return strings.Compare(a.Series, b.Series)
	})
	return list
}
