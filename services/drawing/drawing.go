package drawing

import (
	"fmt"
	"image/color"
	"io"
)

// Format is the format of a picture.
type Format string

// The formats of pictures.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// meter measures what a picture shows.
type meter interface {
	write(interleaved []float32) error
	finish() error
	draw(on canvas, plots []Plot)
}

// Drawing is a picture in the making. Not safe for concurrent use.
type Drawing struct {
	cfg   Config
	plots []Plot
	meter meter
}

// New returns a Drawing. The error is a FieldError if a field is invalid.
func New(cfg Config) (*Drawing, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	plots, err := cfg.plots()
	if err != nil {
		return nil, err
	}
	d := &Drawing{cfg: cfg, plots: plots}
	switch cfg.Kind {
	case Waveform:
		d.meter = newWaveform(&d.cfg, plots[0].Width)
	case Spectrogram:
		d.meter, err = newSpectrogram(&d.cfg, plots)
	case Loudness:
		d.meter, err = newLoudness(&d.cfg)
	default:
		err = fmt.Errorf("there is no kind %q", cfg.Kind)
	}
	return d, err
}

// Bytes returns an upper bound of the memory of a Drawing and of its encoding.
func (c Config) Bytes() int64 {
	// The levels, the picture, its compressed form and the columns.
	return 4*int64(c.Width)*int64(c.Height) + 64*int64(c.Width)*int64(c.Channels) +
		int64(c.Window)*int64(8*c.Channels+128) + fontBytes + int64(seriesBytesPerSecond*c.duration())
}

const (
	fontBytes = 2 << 20
	// seriesBytesPerSecond is what the loudness has over time, twice for the growth of slices.
	seriesBytesPerSecond = 20 * 4 * 4
)

// Write adds whole frames of interleaved samples. An error is that of Config.Step.
func (d *Drawing) Write(interleaved []float32) error { return d.meter.write(interleaved) }

// Finish ends the stream. An error is that of Config.Step.
func (d *Drawing) Finish() error { return d.meter.finish() }

// Plots returns the panels of the picture.
func (d *Drawing) Plots() []Plot { return d.plots }

// Encode writes the finished picture.
func (d *Drawing) Encode(w io.Writer, format Format) error {
	th := lightTheme
	if d.cfg.Dark {
		th = darkTheme
	}
	var colors []color.RGBA
	if d.cfg.Kind == Spectrogram {
		colors = mapColors(d.cfg.Colors, d.cfg.Dark)
	}
	if format == SVG {
		on := newVector(d.cfg.Width, d.cfg.Height, th, colors)
		d.draw(on)
		return on.encode(w)
	}
	on, err := newRaster(d.cfg.Width, d.cfg.Height, th, colors)
	if err != nil {
		return err
	}
	d.draw(on)
	return on.encode(w)
}

// draw draws the picture.
func (d *Drawing) draw(on canvas) {
	if !d.cfg.Bare {
		if d.cfg.Kind != Spectrogram {
			for _, p := range d.plots {
				d.cfg.grid(on, p)
			}
		}
		d.cfg.frame(on, d.plots)
	}
	d.meter.draw(on, d.plots)
}
