package drawing

import (
	"fmt"
	"math"
	"math/bits"
)

// Kind is what a picture shows.
type Kind string

// The kinds of pictures.
const (
	Waveform    Kind = "waveform"
	Spectrogram Kind = "spectrogram"
	Loudness    Kind = "loudness"
)

// Limits of a picture.
const (
	MinSide   = 16
	MaxWidth  = 8192
	MaxHeight = 4096
	// MaxPixels is the limit of width times height.
	MaxPixels = 1 << 24

	MinWindow = 256
	MaxWindow = 16384
	// MinRangeDB is the least distance of floor and ceiling.
	MinRangeDB = 1
	// minPlot is the least width and height of a panel in pixels.
	minPlot = 8
)

// Config describes a picture.
type Config struct {
	Kind Kind
	// Width and Height of the whole picture in pixels.
	Width, Height int
	// Dark selects light lines on a dark ground.
	Dark bool
	// Bare leaves out the axes: the panels fill the picture.
	Bare bool
	// Colors is the colour map of a spectrogram; see ColorMaps.
	Colors string

	// SampleRateHz and Channels of the recording.
	SampleRateHz, Channels int
	// Mix draws one panel with the mix of all channels instead of one for each.
	Mix bool
	// Frames that will be written, the first of which is at Start seconds.
	Frames int64
	Start  float64

	// Scale of the frequencies of a spectrogram, from MinHz to MaxHz.
	Scale        Scale
	MinHz, MaxHz float64
	// FloorDB and CeilingDB are the levels with the first and the last colour of a
	// spectrogram, in decibels of a sine at full scale, and the limits of the loudness in
	// LUFS.
	FloorDB, CeilingDB float64
	// Window is the length of the transform of a spectrogram in samples, a power of two.
	Window int
	// Peak has a pixel show the maximum of its time instead of the mean power.
	Peak bool

	// Step is called now and then during long computations, which its error ends; nil for none.
	Step func() error
}

// FieldError is the error of one field of a Config.
type FieldError struct {
	// Field is width, height, min_frequency, max_frequency, frequency_scale, floor_db, window
	// or colors.
	Field   string
	Problem string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

func invalidf(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// panels returns the number of panels.
func (c *Config) panels() int {
	if c.Mix || c.Kind == Loudness {
		return 1
	}
	return c.Channels
}

// check returns an error for the first invalid field.
func (c *Config) check() error {
	switch {
	case c.Width < MinSide || c.Width > MaxWidth:
		return invalidf("width", "must be %d to %d pixels, got %d", MinSide, MaxWidth, c.Width)
	case c.Height < MinSide || c.Height > MaxHeight:
		return invalidf("height", "must be %d to %d pixels, got %d", MinSide, MaxHeight, c.Height)
	case c.Width*c.Height > MaxPixels:
		return invalidf("height", "must be at most %d with a width of %d, because a picture has at most %d pixels, got %d",
			MaxPixels/c.Width, c.Width, MaxPixels, c.Height)
	case c.Kind != Waveform && c.FloorDB > c.CeilingDB-MinRangeDB:
		return invalidf("floor_db", "must be at least %d dB below ceiling_db, which is %g, got %g", MinRangeDB, c.CeilingDB, c.FloorDB)
	case c.Kind == Spectrogram:
		return c.checkSpectrogram()
	}
	return nil
}

func (c *Config) checkSpectrogram() error {
	highest := float64(c.SampleRateHz) / 2
	switch {
	case c.MaxHz > highest:
		return invalidf("max_frequency", "must be at most %g Hz, half the sample rate of the recording, got %g", highest, c.MaxHz)
	case !(c.MinHz < c.MaxHz):
		return invalidf("min_frequency", "must be below max_frequency, which is %g Hz, got %g", c.MaxHz, c.MinHz)
	case !c.Scale.known():
		return invalidf("frequency_scale", "must be linear, log or mel, got %q", c.Scale)
	case c.Scale == Log && c.MinHz <= 0:
		return invalidf("min_frequency", "must be above 0 Hz on a logarithmic scale, got %g", c.MinHz)
	case c.Window < MinWindow || c.Window > MaxWindow || bits.OnesCount(uint(c.Window)) != 1:
		return invalidf("window", "must be a power of two from %d to %d, got %d", MinWindow, MaxWindow, c.Window)
	case colorMaps[c.Colors] == nil:
		return invalidf("colors", "must be one of %v, got %q", ColorMaps(), c.Colors)
	}
	return nil
}

// duration returns the time that the picture shows, in seconds.
func (c *Config) duration() float64 { return float64(c.Frames) / float64(c.SampleRateHz) }

// Scale is how frequencies are arranged.
type Scale string

// The scales. Mel is that of Slaney's Auditory Toolbox: linear up to 1 kHz, logarithmic
// above.
const (
	Linear Scale = "linear"
	Log    Scale = "log"
	Mel    Scale = "mel"
)

func (s Scale) known() bool { return s == Linear || s == Log || s == Mel }

// forward converts a value to the scale.
func (s Scale) forward(v float64) float64 {
	switch {
	case s == Log:
		return math.Log(v)
	case s == Mel && v >= 1000:
		return 15 + 27/math.Log(6.4)*math.Log(v/1000)
	case s == Mel:
		return 3 * v / 200
	}
	return v
}

// backward is the inverse of forward.
func (s Scale) backward(v float64) float64 {
	switch {
	case s == Log:
		return math.Exp(v)
	case s == Mel && v >= 15:
		return 1000 * math.Exp(math.Log(6.4)/27*(v-15))
	case s == Mel:
		return 200 * v / 3
	}
	return v
}
