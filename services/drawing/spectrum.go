package drawing

import (
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services/dsp"
)

const (
	// overlapped is how many windows a column of mean power has at least; they do not overlap
	// where it has more.
	overlapped = 16
	// stepWindows is the number of windows between two calls of Config.Step, some hundredths of
	// a second of work.
	stepWindows = 512
	// silentDB is the level of a bin without power.
	silentDB = -400
)

// spectrogram computes the levels of a picture's panels. The columns are as many equal
// parts of the recording. Each has the mean or the maximum of the power of Hann windows
// at equal distances, centred in the parts into which they divide the column; the
// recording is preceded and followed by silence.
type spectrogram struct {
	cfg     *Config
	columns int
	perCol  int // windows of a column
	hop     float64
	fft     *dsp.FFT
	window  []float64
	rows    []row
	panels  []spectra
	// pending has the frames from base on, interleaved.
	pending []float32
	base    int64
	at      int64 // the next window
	written int64

	sequence     []float64
	coefficients []complex128
	decibels     []float64
}

// spectra is one panel: the powers of the column under way, and the levels of the rows.
type spectra struct {
	power  []float64
	height int
	levels []uint8
}

// row is a row of the picture: the bins from first to last, or else a position between bins.
type row struct {
	first, last int
	at          float64
}

func newSpectrogram(c *Config, plots []Plot) (*spectrogram, error) {
	fft, err := dsp.NewFFT(c.Window)
	if err != nil {
		return nil, fmt.Errorf("spectrogram: %w", err)
	}
	columns := plots[0].Width
	perColumn := float64(c.Frames) / float64(columns)
	count := int(math.Ceil(perColumn / float64(c.Window)))
	if c.Peak || count < overlapped {
		count = int(math.Ceil(perColumn / float64(c.Window/2)))
	}
	s := &spectrogram{
		cfg: c, columns: columns, perCol: max(1, count), fft: fft, window: make([]float64, c.Window),
		panels: make([]spectra, len(plots)), sequence: make([]float64, c.Window), coefficients: make([]complex128, c.Window/2+1),
		decibels: make([]float64, c.Window/2+1),
	}
	s.hop = perColumn / float64(s.perCol)
	for i := range s.window {
		// A sine at full scale has the power 1: the window's mean is a half, as is a sine's share
		// of one bin.
		s.window[i] = (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(c.Window))) * 4 / float64(c.Window)
	}
	for i, p := range plots {
		s.panels[i] = spectra{power: make([]float64, c.Window/2+1), height: p.Height, levels: make([]uint8, p.Width*p.Height)}
	}
	s.base = s.start(0)
	s.pending = make([]float32, -s.base*int64(c.Channels))
	return s, nil
}

// start returns the first frame of a window.
func (s *spectrogram) start(window int64) int64 {
	return int64(math.Round((float64(window)+0.5)*s.hop)) - int64(s.cfg.Window/2)
}

func (s *spectrogram) write(interleaved []float32) error {
	channels := int64(s.cfg.Channels)
	// Frames before the next window are not needed.
	if gap := s.base - s.written; gap > 0 && len(s.pending) == 0 {
		skip := min(gap*channels, int64(len(interleaved)))
		s.written += skip / channels
		interleaved = interleaved[skip:]
	}
	s.written += int64(len(interleaved)) / channels
	s.pending = append(s.pending, interleaved...)
	return s.compute()
}

// compute computes the windows that are complete.
func (s *spectrogram) compute() error {
	channels, size := int64(s.cfg.Channels), int64(s.cfg.Window)
	total := int64(s.columns) * int64(s.perCol)
	for s.at < total {
		from := (s.start(s.at) - s.base) * channels
		if from+size*channels > int64(len(s.pending)) {
			break
		}
		if err := s.step(); err != nil {
			return err
		}
		s.transform(s.pending[from : from+size*channels])
		if s.at++; s.at%int64(s.perCol) == 0 {
			s.finishColumn(int(s.at/int64(s.perCol)) - 1)
		}
	}
	next := min(int64(len(s.pending)), (s.start(s.at)-s.base)*channels)
	s.pending = s.pending[:copy(s.pending, s.pending[next:])]
	s.base += next / channels
	if len(s.pending) == 0 {
		s.base = max(s.base, s.start(s.at))
	}
	return nil
}

// step calls Config.Step for every stepWindows windows.
func (s *spectrogram) step() error {
	if s.cfg.Step == nil || s.at%stepWindows != 0 {
		return nil
	}
	return s.cfg.Step()
}

// transform adds one window to the powers.
func (s *spectrogram) transform(frames []float32) {
	channels := s.cfg.Channels
	for i := range s.panels {
		if len(s.panels) == channels {
			for k := range s.sequence {
				s.sequence[k] = s.window[k] * float64(frames[k*channels+i])
			}
		} else {
			for k := range s.sequence {
				s.sequence[k] = s.window[k] * float64(mean(frames[k*channels:][:channels]))
			}
		}
		s.fft.Coefficients(s.coefficients, s.sequence)
		power := s.panels[i].power[:len(s.coefficients)]
		if s.cfg.Peak {
			for k, z := range s.coefficients {
				power[k] = max(power[k], real(z)*real(z)+imag(z)*imag(z))
			}
			continue
		}
		for k, z := range s.coefficients {
			power[k] += real(z)*real(z) + imag(z)*imag(z)
		}
	}
}

// finishColumn writes the levels of a column.
func (s *spectrogram) finishColumn(column int) {
	scale := 1 / float64(s.perCol)
	if s.cfg.Peak {
		scale = 1
	}
	for i := range s.panels {
		p := &s.panels[i]
		for k, v := range p.power {
			s.decibels[k] = silentDB
			if v > 0 {
				s.decibels[k] = 10 * math.Log10(v*scale)
			}
			p.power[k] = 0
		}
		for y, r := range s.rowsOf(p.height) {
			at := (r.level(s.decibels) - s.cfg.FloorDB) / (s.cfg.CeilingDB - s.cfg.FloorDB)
			p.levels[y*s.columns+column] = uint8(min(1, max(0, at))*(levels-1) + 0.5)
		}
	}
}

// rowsOf returns the rows of a panel, the highest frequency first.
func (s *spectrogram) rowsOf(height int) []row {
	if len(s.rows) == height {
		return s.rows
	}
	c := s.cfg
	axis := Axis{From: c.MinHz, To: c.MaxHz, Scale: c.Scale}
	bin := func(at float64) float64 { return axis.Value(at) * float64(c.Window) / float64(c.SampleRateHz) }
	s.rows = make([]row, height)
	for y := range s.rows {
		low, high := bin(float64(height-1-y)/float64(height)), bin(float64(height-y)/float64(height))
		s.rows[y] = row{last: -1, at: min(bin((float64(height-1-y)+0.5)/float64(height)), float64(c.Window/2))}
		if high-low >= 1 {
			s.rows[y].first, s.rows[y].last = int(math.Ceil(low)), min(int(math.Ceil(high))-1, c.Window/2)
		}
	}
	return s.rows
}

// level returns the level of a row: the largest of its bins or, between two bins, that of a
// cubic through them and their neighbours.
func (r row) level(decibels []float64) float64 {
	if r.last >= r.first {
		level := float64(silentDB)
		for _, v := range decibels[r.first : r.last+1] {
			level = max(level, v)
		}
		return level
	}
	k := min(int(r.at), len(decibels)-2)
	t := r.at - float64(k)
	b, c := decibels[k], decibels[k+1]
	a, d := decibels[max(0, k-1)], decibels[min(len(decibels)-1, k+2)]
	return b + t*((c-a)/2+t*(a-2.5*b+2*c-d/2+t*((d-a)/2+1.5*(b-c))))
}

// finish computes the windows at the end.
func (s *spectrogram) finish() error {
	silence := make([]float32, s.cfg.Window*s.cfg.Channels)
	for total := int64(s.columns) * int64(s.perCol); s.at < total; {
		if err := s.write(silence); err != nil {
			return err
		}
	}
	return nil
}

// draw draws the panels.
func (s *spectrogram) draw(on canvas, plots []Plot) {
	for i, plot := range plots {
		on.image(plot.area(), s.panels[i].levels)
		if !s.cfg.Bare {
			s.cfg.bar(on, plot)
		}
	}
}
