package drawing

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Axis is one axis of a Plot: From is at its left or lower end.
type Axis struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Unit  string  `json:"unit"`
	Scale Scale   `json:"scale"`
}

// At returns the position of a value as a fraction of the axis.
func (a Axis) At(value float64) float64 {
	from, to := a.Scale.forward(a.From), a.Scale.forward(a.To)
	return (a.Scale.forward(value) - from) / (to - from)
}

// Value is the inverse of At.
func (a Axis) Value(at float64) float64 {
	from, to := a.Scale.forward(a.From), a.Scale.forward(a.To)
	return a.Scale.backward(from + at*(to-from))
}

// tick is a labelled position of an axis.
type tick struct {
	at    float64 // as of Axis.At
	label string
}

// Distances of ticks in pixels.
const (
	timeTickPixels  = 90
	levelTickPixels = 32
	hertzTickPixels = 18
)

// niceStep returns the smallest of 1, 2 and 5 times a power of ten that divides a range into
// at most a number of steps.
func niceStep(span float64, most int) float64 {
	least := span / float64(max(1, most))
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least*(1-1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// levelTicks returns the ticks of a linear axis of levels or amplitudes.
func levelTicks(a Axis, pixels int) []tick {
	return linearTicks(a, niceStep(a.To-a.From, pixels/levelTickPixels), func(v float64) string { return number(v) })
}

// number formats a value without rounding errors.
func number(v float64) string {
	if math.Abs(v) < 1e-9 {
		v = 0
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func linearTicks(a Axis, step float64, label func(float64) string) (list []tick) {
	first, last := math.Ceil(a.From/step-1e-9), math.Floor(a.To/step+1e-9)
	for n := first; n <= last; n++ {
		list = append(list, tick{a.At(n * step), label(n * step)})
	}
	return list
}

// clockSteps are the distances of ticks from a second up, in seconds.
var clockSteps = []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400}

// timeTicks returns the ticks of a time axis, and its title.
func timeTicks(a Axis, pixels int) (list []tick, title string) {
	span, most := a.To-a.From, max(1, pixels/timeTickPixels)
	step := niceStep(span, most)
	if step >= 1 {
		for _, step = range clockSteps {
			if span/step <= float64(most) {
				break
			}
		}
		if step*float64(most) < span { // days
			step *= math.Ceil(span / step / float64(most))
		}
	}
	switch {
	case a.To < 60 || step < 1:
		return linearTicks(a, step, number), "Time (s)"
	case a.To < 3600:
		return linearTicks(a, step, minutes), "Time (min:s)"
	}
	return linearTicks(a, step, hours), "Time (h:min:s)"
}

func minutes(v float64) string {
	s := int64(math.Round(v))
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func hours(v float64) string {
	s := int64(math.Round(v))
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// hertzTicks returns the ticks of a frequency axis.
func hertzTicks(a Axis, pixels int) []tick {
	if a.Scale == Linear {
		return linearTicks(a, niceStep(a.To-a.From, pixels/levelTickPixels), hertz)
	}
	var list []tick
	add := func(v float64) {
		if v < a.From || v > a.To {
			return
		}
		at := a.At(v)
		for _, other := range list {
			if math.Abs(other.at-at)*float64(pixels) < hertzTickPixels {
				return
			}
		}
		list = append(list, tick{at, hertz(v)})
	}
	if a.From == 0 {
		add(0)
	}
	// The powers of ten first, then what fits between them.
	for _, factor := range []float64{1, 5, 2, 3, 7} {
		for power := 1.0; power <= 1e5; power *= 10 {
			add(factor * power)
		}
	}
	slices.SortFunc(list, func(a, b tick) int { return int(math.Copysign(1, a.at-b.at)) })
	return list
}

func hertz(v float64) string {
	if v >= 1000 {
		return number(v/1000) + "k"
	}
	return number(v)
}
