package drawing

import "math"

// envelope has the extremes and the power of each column of one channel.
type envelope struct {
	low, high, squares []float64
	counts             []int64
}

// waveform measures the envelopes of a picture's panels.
type waveform struct {
	frames   int64
	columns  int
	panels   []envelope
	channels int
	mix      bool
	// samples has all values of a recording with fewer frames than columns.
	samples [][]float32
	at      int64 // frames written
	column  int
	next    int64 // frame at which the next column begins
}

func newWaveform(c *Config, columns int) *waveform {
	w := &waveform{frames: c.Frames, columns: columns, channels: c.Channels, mix: c.Mix, panels: make([]envelope, c.panels())}
	for i := range w.panels {
		w.panels[i] = envelope{
			low: repeated(columns, math.Inf(1)), high: repeated(columns, math.Inf(-1)),
			squares: make([]float64, columns), counts: make([]int64, columns),
		}
	}
	w.samples = make([][]float32, len(w.panels))
	w.next = w.boundary(1)
	return w
}

func repeated(n int, value float64) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = value
	}
	return list
}

// boundary returns the frame at which a column begins.
func (w *waveform) boundary(column int) int64 {
	return int64(math.Ceil(float64(column) * float64(w.frames) / float64(w.columns)))
}

func (w *waveform) write(interleaved []float32) error {
	for len(interleaved) > 0 && w.at < w.frames {
		for w.at >= w.next && w.column < w.columns-1 {
			w.column++
			w.next = w.boundary(w.column + 1)
		}
		n := min(int64(len(interleaved)/w.channels), w.frames-w.at, max(1, w.next-w.at))
		part := interleaved[:int(n)*w.channels]
		for i := range w.panels {
			w.add(i, part)
		}
		interleaved = interleaved[len(part):]
		w.at += n
	}
	return nil
}

// add adds frames of one column to a panel.
func (w *waveform) add(i int, part []float32) {
	p, c := &w.panels[i], w.column
	low, high, squares := float32(math.Inf(1)), float32(math.Inf(-1)), 0.0
	for f := 0; f < len(part); f += w.channels {
		v := part[f+min(i, w.channels-1)]
		if w.mix {
			v = mean(part[f : f+w.channels])
		}
		low, high = min(low, v), max(high, v)
		squares += float64(v) * float64(v)
		if w.frames < int64(w.columns) {
			w.samples[i] = append(w.samples[i], v)
		}
	}
	p.low[c], p.high[c] = min(p.low[c], float64(low)), max(p.high[c], float64(high))
	p.squares[c] += squares
	p.counts[c] += int64(len(part) / w.channels)
}

func mean(frame []float32) float32 {
	var sum float32
	for _, v := range frame {
		sum += v
	}
	return sum / float32(len(frame))
}

// finish implements meter.
func (w *waveform) finish() error { return nil }

// draw draws the panels.
func (w *waveform) draw(on canvas, plots []Plot) {
	for i, plot := range plots {
		y := func(v float64) float64 {
			return float64(plot.Y) + (1-plot.YAxis.At(min(1, max(-1, v))))*float64(plot.Height)
		}
		if w.frames < int64(w.columns) {
			on.curve(inkRMS, plot.X, w.line(i, y))
			continue
		}
		p := w.panels[i]
		top, bottom := repeated(w.columns, math.NaN()), repeated(w.columns, math.NaN())
		inner, outer := repeated(w.columns, math.NaN()), repeated(w.columns, math.NaN())
		for c := range w.columns {
			if p.counts[c] == 0 {
				continue // the recording is shorter than its header says
			}
			low, high := p.low[c], p.high[c]
			if c > 0 && p.counts[c-1] > 0 { // adjacent columns touch
				low, high = min(low, p.high[c-1]), max(high, p.low[c-1])
			}
			rms := math.Sqrt(p.squares[c] / float64(p.counts[c]))
			top[c], bottom[c] = y(high)-minThickness/2, y(low)+minThickness/2
			if rms < high && -rms > low {
				inner[c], outer[c] = y(rms), y(-rms)
			}
		}
		on.band(inkWave, plot.X, top, bottom)
		on.band(inkRMS, plot.X, inner, outer)
	}
}

// minThickness is the height of a wave without amplitude, in pixels.
const minThickness = 1

// line returns the heights of the columns of a recording that has fewer frames.
func (w *waveform) line(i int, y func(float64) float64) []float64 {
	samples := w.samples[i]
	values := repeated(w.columns, math.NaN())
	for c := range values {
		at := (float64(c)+0.5)*float64(w.frames)/float64(w.columns) - 0.5
		k := int(max(0, math.Floor(at)))
		if k >= len(samples) {
			break
		}
		next := min(k+1, len(samples)-1)
		share := min(1, max(0, at-float64(k)))
		values[c] = y(float64(samples[k])*(1-share) + float64(samples[next])*share)
	}
	return values
}
