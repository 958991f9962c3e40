package drawing

import (
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services/analysis"
)

// loudness measures the loudness over time.
type loudness struct {
	cfg      *Config
	analyzer *analysis.Analyzer
	report   *analysis.Report
}

func newLoudness(c *Config) (*loudness, error) {
	analyzer, err := analysis.New(analysis.Config{
		SampleRateHz: c.SampleRateHz, Channels: c.Channels, Series: []string{analysis.SeriesMomentary, analysis.SeriesShortTerm},
	})
	if err != nil {
		return nil, fmt.Errorf("loudness: %w", err)
	}
	return &loudness{cfg: c, analyzer: analyzer}, nil
}

func (l *loudness) write(interleaved []float32) error {
	l.analyzer.Write(interleaved)
	return nil
}

func (l *loudness) finish() error {
	l.report = l.analyzer.Finish()
	return nil
}

// Gates of ITU-R BS.1770-4.
const (
	absoluteGateLUFS = -70
	relativeGateLU   = -10
)

// integrated returns the gated loudness of the blocks of 0.4 s, NaN if none is above the
// gates.
func integrated(blocks []float32) float64 {
	level := gated(blocks, absoluteGateLUFS)
	return gated(blocks, max(absoluteGateLUFS, level+relativeGateLU))
}

// gated returns the mean of the blocks above a level, as a power; NaN if there are none or
// the level is NaN.
func gated(blocks []float32, above float64) float64 {
	var sum float64
	n := 0
	for _, v := range blocks {
		if float64(v) >= above {
			sum += math.Pow(10, float64(v)/10)
			n++
		}
	}
	return 10 * math.Log10(sum/float64(n))
}

func (l *loudness) draw(on canvas, plots []Plot) {
	plot := plots[0]
	momentary, short := l.report.Series[analysis.SeriesMomentary], l.report.Series[analysis.SeriesShortTerm]
	y := func(v float64) float64 {
		return float64(plot.Y) + (1-plot.YAxis.At(min(l.cfg.CeilingDB, max(l.cfg.FloorDB, v))))*float64(plot.Height)
	}
	low, high := l.extremes(plot, momentary)
	for i := range low {
		low[i], high[i] = y(low[i])+minThickness, y(high[i])
	}
	on.band(inkMomentary, plot.X, high, low)
	on.curve(inkMomentary, plot.X, high)
	_, line := l.extremes(plot, short)
	for i := range line {
		line[i] = y(line[i])
	}
	on.curve(inkShortTerm, plot.X, line)
	whole := integrated(momentary.Values.All)
	if l.cfg.Bare {
		return
	}
	if !math.IsNaN(whole) {
		on.fill(inkIntegrated, rect{plot.X, min(int(y(whole)), plot.Y+plot.Height-1), plot.Width, 1})
	}
	if plot.Width >= legendWidth {
		legend(on, inkMomentary, plot.X, plot.Y, "Momentary, 0.4 s")
		legend(on, inkShortTerm, plot.X+140, plot.Y, "Short-term, 3 s")
		if !math.IsNaN(whole) {
			legend(on, inkIntegrated, plot.X+270, plot.Y, fmt.Sprintf("Integrated, %.1f LUFS", whole))
		}
	}
}

// legendWidth is the least width of a panel with a legend, in pixels.
const legendWidth = 430

// legend draws the colour of a curve above a panel, and its name.
func legend(on canvas, color ink, x, y int, name string) {
	on.fill(color, rect{x, y - 15, 12, 8})
	on.text(inkText, x+17, y-8, left, name)
}

// extremes returns the lowest and the highest value of a series in each column; NaN where
// there is none. The time of a value is the end of its window; it is drawn at its middle.
func (l *loudness) extremes(plot Plot, s *analysis.Series) (low, high []float64) {
	low, high = repeated(plot.Width, math.NaN()), repeated(plot.Width, math.NaN())
	if l.cfg.Frames == 0 || len(s.Values.All) == 0 {
		return low, high
	}
	perColumn := l.cfg.duration() / float64(plot.Width)
	middle := s.Start / 2
	for c := range low {
		from, to := (float64(c)*perColumn-middle)/s.Hop, (float64(c+1)*perColumn-middle)/s.Hop
		if to <= 0 || from > float64(len(s.Values.All)-1) {
			continue
		}
		if to-from < 1 { // between two values
			low[c] = l.between(s.Values.All, (from+to)/2)
			high[c] = low[c]
			continue
		}
		first, last := max(0, int(math.Floor(from))), min(len(s.Values.All)-1, int(math.Ceil(to))-1)
		low[c], high[c] = math.Inf(1), math.Inf(-1)
		for _, v := range s.Values.All[first : max(first, last)+1] {
			value := max(float64(v), l.cfg.FloorDB) // of silence it is -Inf
			low[c], high[c] = min(low[c], value), max(high[c], value)
		}
	}
	return low, high
}

// between returns the value at a position between two of a series.
func (l *loudness) between(values []float32, at float64) float64 {
	at = min(float64(len(values)-1), max(0, at))
	k := int(at)
	a, b := float64(values[k]), float64(values[min(k+1, len(values)-1)])
	return max(a, l.cfg.FloorDB)*(1-at+float64(k)) + max(b, l.cfg.FloorDB)*(at-float64(k))
}
