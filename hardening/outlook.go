package hardening

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// horizons are how far ahead every series is forecast.
var horizons = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute}

const (
	// outlookSamples is the least that a forecast is made from.
	outlookSamples = 12
	// fitSamples is how many of the latest samples the smoothing is fitted to.
	fitSamples = 240
	// refitAfter is how many samples the smoothing goes on before it is fitted anew.
	refitAfter = 12
	// errorMemory is over how many forecasts their mean error is taken, about.
	errorMemory = 240
)

// Series of the outlook.
const (
	SeriesMemory   = "memory_bytes"        // the resident set
	SeriesQueue    = "queue_tasks"         // tasks of a service that wait
	SeriesArrivals = "arrivals_per_second" // tasks of a service that arrive
)

// Outlook is where one series goes.
type Outlook struct {
	// Series as SeriesMemory; Service is empty where it is the process's.
	Series, Service string
	// Now is the latest value. Known tells whether there were samples enough.
	Now   float64
	Known bool
	// Alpha, Beta and Phi are the smoothing that fits the history best.
	Alpha, Beta, Phi float64
	Ahead            []Ahead
}

// Ahead is a forecast, and how good earlier ones for as far ahead were.
type Ahead struct {
	In    time.Duration
	Value float64
	// Compared is how many forecasts' time has come, MeanError how far they were
	// from what came, NaiveError how far they would have been if nothing had changed.
	Compared              int
	MeanError, NaiveError float64
}

// outlooks forecasts series and measures the forecasts. Not safe for concurrent
// use.
type outlooks struct {
	series map[[2]string]*outlook
	value  *prometheus.GaugeVec
	off    *prometheus.GaugeVec
	naive  *prometheus.GaugeVec
}

// outlook is one series.
type outlook struct {
	values  []float64
	fitted  holt
	since   int // samples until the next fit
	view    Outlook
	pending [][]guess // by horizon, the oldest first
}

// guess is a forecast that waits for its time.
type guess struct {
	at            time.Time
	value, before float64
}

func newOutlooks(reg prometheus.Registerer) *outlooks {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"series", "service", "ahead"})
	}
	o := &outlooks{
		series: make(map[[2]string]*outlook),
		value:  gauge("grym_forecast", "Forecast of a series, in the unit of its name, by how far ahead."),
		off:    gauge("grym_forecast_error", "Mean distance between forecasts and what came, in the unit of the series."),
		naive:  gauge("grym_forecast_naive_error", "What that distance would have been for the forecast that nothing changes."),
	}
	reg.MustRegister(o.value, o.off, o.naive)
	return o
}

// forget drops all that was seen.
func (o *outlooks) forget() {
	o.series = make(map[[2]string]*outlook)
	for _, vec := range []*prometheus.GaugeVec{o.value, o.off, o.naive} {
		vec.Reset()
	}
}

// add takes a series' next value, an interval after the one before.
func (o *outlooks) add(series, service string, value float64, now time.Time, interval time.Duration) {
	key := [2]string{series, service}
	one := o.series[key]
	if one == nil {
		one = &outlook{pending: make([][]guess, len(horizons)), view: Outlook{Series: series, Service: service, Ahead: make([]Ahead, len(horizons))}}
		for i, in := range horizons {
			one.view.Ahead[i].In = in
		}
		o.series[key] = one
	}
	one.add(value, now, interval)
	for _, ahead := range one.view.Ahead {
		label := []string{series, service, fmt.Sprintf("%.0fm", ahead.In.Minutes())}
		if one.view.Known {
			o.value.WithLabelValues(label...).Set(ahead.Value)
		}
		if ahead.Compared > 0 {
			o.off.WithLabelValues(label...).Set(ahead.MeanError)
			o.naive.WithLabelValues(label...).Set(ahead.NaiveError)
		}
	}
}

func (o *outlook) add(value float64, now time.Time, interval time.Duration) {
	o.view.Now = value
	o.values = append(o.values, value)
	o.values = slices.Clone(o.values[max(len(o.values)-fitSamples, 0):])
	for i := range horizons {
		o.compare(i, value, now)
	}
	if len(o.values) < outlookSamples {
		return
	}
	if o.since--; o.since <= 0 {
		o.fitted, o.since = fitHolt(o.values), refitAfter
	} else {
		o.fitted.add(value)
	}
	h := o.fitted
	o.view.Known, o.view.Alpha, o.view.Beta, o.view.Phi = true, h.alpha, h.beta, h.phi
	for i, in := range horizons {
		steps := max(int(math.Round(in.Seconds()/interval.Seconds())), 1)
		// None of the series can be below zero.
		forecast := math.Max(h.ahead(steps), 0)
		o.view.Ahead[i].Value = forecast
		o.pending[i] = append(o.pending[i], guess{now.Add(in), forecast, value})
	}
}

// compare takes what came into the error of the forecasts of it.
func (o *outlook) compare(horizon int, value float64, now time.Time) {
	ahead := &o.view.Ahead[horizon]
	for len(o.pending[horizon]) > 0 && !o.pending[horizon][0].at.After(now) {
		g := o.pending[horizon][0]
		o.pending[horizon] = o.pending[horizon][1:]
		ahead.Compared++
		weight := 1 / float64(min(ahead.Compared, errorMemory))
		ahead.MeanError += weight * (math.Abs(g.value-value) - ahead.MeanError)
		ahead.NaiveError += weight * (math.Abs(g.before-value) - ahead.NaiveError)
	}
}

// list gives every outlook, the process's first.
func (o *outlooks) list() []Outlook {
	list := make([]Outlook, 0, len(o.series))
	for _, one := range o.series {
		view := one.view
		view.Ahead = slices.Clone(view.Ahead)
		list = append(list, view)
	}
	slices.SortFunc(list, func(a, b Outlook) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return strings.Compare(a.Series, b.Series)
	})
	return list
}
