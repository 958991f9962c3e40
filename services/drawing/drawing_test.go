package drawing

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/analysis"
)

// tone returns interleaved channels with a sine.
func tone(rate, channels, frames int, hz, amplitude float64) []float32 {
	samples := make([]float32, frames*channels)
	for i := range samples {
		samples[i] = float32(amplitude * math.Sin(2*math.Pi*hz*float64(i/channels)/float64(rate)))
	}
	return samples
}

// spectrum returns the description of a spectrogram.
func spectrum(scale Scale, rate int, frames int) Config {
	return Config{
		Kind: Spectrogram, Width: 700, Height: 400, Colors: "viridis", SampleRateHz: rate, Channels: 1, Frames: int64(frames), Scale: scale,
		MinHz: 20, MaxHz: float64(rate) / 2, FloorDB: -100, Window: 2048,
	}
}

// TestATonesPlaceIsItsFrequency finds the row with the highest level, and maps it through
// the axis.
func TestATonesPlaceIsItsFrequency(t *testing.T) {
	t.Parallel()
	for _, scale := range []Scale{Linear, Log, Mel} {
		for _, hz := range []float64{100, 440, 1000, 3210, 9000} {
			const rate = 44100
			cfg := spectrum(scale, rate, rate)
			cfg.Width = 160
			d, picture := drawn(t, cfg, tone(rate, 1, rate, hz, 0.5), 5000)
			plot := d.Plots()[0]
			x := plot.X + plot.Width/2
			best, at := uint8(0), 0.0
			for y := range plot.Height {
				if level := picture.ColorIndexAt(x, plot.Y+y); level > best {
					best, at = level, float64(y)
				} else if level == best {
					at += 0.5 // the middle of rows of the same level
				}
			}
			low := plot.YAxis.Value(1 - (at+1.5)/float64(plot.Height))
			high := plot.YAxis.Value(1 - (at-0.5)/float64(plot.Height))
			const bin = rate / 2048.0
			require.Less(t, low-bin/2, hz, "%s", scale)
			require.Greater(t, high+bin/2, hz, "%s", scale)
			require.InDelta(t, -6, cfg.FloorDB*(1-float64(best-1)/(levels-1)), 1.5, "a sine of half the full scale")
		}
	}
}

// TestAWaveIsAsHighAsItsSamples has a square wave whose extremes are at quarters.
func TestAWaveIsAsHighAsItsSamples(t *testing.T) {
	t.Parallel()
	cfg := Config{Kind: Waveform, Width: 100, Height: 80, Bare: true, SampleRateHz: 8000, Channels: 2, Frames: 8000}
	samples := tone(8000, 2, 8000, 1000, 1)
	for i := range samples {
		samples[i] = float32(math.Copysign(0.5, float64(samples[i])-0.01))
		if i%2 == 1 {
			samples[i] /= 2
		}
	}
	d, picture := drawn(t, cfg, samples, 999)
	wave := uint8(1 + int(inkWave)*shades)
	for i, want := range [][2]int{{10, 30}, {15, 25}} {
		plot := d.Plots()[i]
		require.Equal(t, i+1, plot.Channel)
		require.Equal(t, 40, plot.Height)
		first, last := -1, -1
		for y := range plot.Height {
			if picture.ColorIndexAt(50, plot.Y+y) >= wave+shades/2 {
				last = y
				if first < 0 {
					first = y
				}
			}
		}
		require.InDelta(t, want[0], first, 1)
		require.InDelta(t, want[1], last+1, 1)
	}
	cfg.Mix = true
	d, _ = drawn(t, cfg, samples, 999)
	require.Len(t, d.Plots(), 1)
	require.Zero(t, d.Plots()[0].Channel)
}

// TestBlocksDoNotMatter writes the same sound in blocks of different lengths.
func TestBlocksDoNotMatter(t *testing.T) {
	t.Parallel()
	samples := signal(2 * 9000)
	for _, kind := range []Kind{Waveform, Spectrogram, Loudness} {
		cfg := spectrum(Mel, 8000, 9000)
		cfg.Kind, cfg.Channels, cfg.Width = kind, 2, 150
		_, want := drawn(t, cfg, samples, 9000)
		for _, block := range []int{1, 771} {
			_, got := drawn(t, cfg, samples, block)
			require.Equal(t, want.Pix, got.Pix, "%s in blocks of %d", kind, block)
		}
	}
}

// TestEveryRecordingIsDrawn has silence, one sample, eight channels and 192 kHz.
func TestEveryRecordingIsDrawn(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Waveform, Spectrogram, Loudness} {
		for _, c := range []struct{ rate, channels, frames int }{{8000, 1, 1}, {48000, 2, 3}, {192000, 8, 20000}, {8000, 1, 2047}} {
			for _, samples := range [][]float32{make([]float32, c.channels*c.frames), tone(c.rate, c.channels, c.frames, 1000, 1)} {
				cfg := spectrum(Log, c.rate, c.frames)
				cfg.Kind, cfg.Channels, cfg.Dark, cfg.Width = kind, c.channels, true, 160
				d, picture := drawn(t, cfg, samples, 4096)
				require.Equal(t, image.Rect(0, 0, 160, 400), picture.Rect)
				for _, p := range d.Plots() {
					require.True(t, image.Rect(p.X, p.Y, p.X+p.Width, p.Y+p.Height).In(picture.Rect))
				}
				var svg bytes.Buffer
				require.NoError(t, d.Encode(&svg, SVG))
				decoder := xml.NewDecoder(&svg)
				for {
					_, err := decoder.Token()
					if errors.Is(err, io.EOF) {
						break
					}
					require.NoError(t, err)
				}
			}
		}
	}
}

// TestARecordingShorterThanItsHeader leaves the rest empty.
func TestARecordingShorterThanItsHeader(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Waveform, Spectrogram, Loudness} {
		cfg := spectrum(Mel, 8000, 16000)
		cfg.Kind = kind
		drawn(t, cfg, tone(8000, 1, 4000, 440, 0.5), 500)
	}
	cfg := Config{Kind: Waveform, Width: 100, Height: 80, SampleRateHz: 8000, Channels: 1, Frames: 50}
	drawn(t, cfg, []float32{0.5}, 1)
}

// TestSVGHasThePixelsOfPNG compares the embedded picture of a spectrogram.
func TestSVGHasThePixelsOfPNG(t *testing.T) {
	t.Parallel()
	d, want := drawn(t, spectrum(Mel, 8000, 8000), signal(8000), 8000)
	var svg bytes.Buffer
	require.NoError(t, d.Encode(&svg, SVG))
	found := regexp.MustCompile(`<image x="(\d+)" y="(\d+)" .*base64,([^"]+)"`).FindSubmatch(svg.Bytes())
	require.NotNil(t, found)
	inner, err := png.Decode(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(found[3])))
	require.NoError(t, err)
	plot := d.Plots()[0]
	require.Equal(t, image.Rect(0, 0, plot.Width, plot.Height), inner.Bounds())
	for y := range plot.Height {
		for x := range plot.Width {
			require.Equal(t, want.At(plot.X+x, plot.Y+y), inner.At(x, y))
		}
	}
	require.Contains(t, svg.String(), ">Time (s)</text>")
}

func TestPicturesHaveLimits(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*Config){
		"width must be 16 to 8192 pixels, got 15":                               func(c *Config) { c.Width = 15 },
		"height must be 16 to 4096 pixels, got 4097":                            func(c *Config) { c.Height = 4097 },
		"height must be at most 2048 with a width of 8192":                      func(c *Config) { c.Width, c.Height = 8192, 2049 },
		"width must be at least 144 pixels for a picture with axes, got 100":    func(c *Config) { c.Width = 100 },
		"height must be at least 298 pixels for 8 panels, got 200":              func(c *Config) { c.Height, c.Channels = 200, 8 },
		"floor_db must be at least 1 dB below ceiling_db, which is 0, got -0.5": func(c *Config) { c.FloorDB = -0.5 },
		"max_frequency must be at most 4000 Hz, half the sample rate":           func(c *Config) { c.MaxHz = 4001 },
		"min_frequency must be below max_frequency, which is 4000 Hz, got 4000": func(c *Config) { c.MinHz = 4000 },
		"min_frequency must be above 0 Hz on a logarithmic scale":               func(c *Config) { c.MinHz, c.Scale = 0, Log },
		"frequency_scale must be linear, log or mel":                            func(c *Config) { c.Scale = "bark" },
		"window must be a power of two from 256 to 16384, got 1000":             func(c *Config) { c.Window = 1000 },
		`colors must be one of [viridis cividis magma gray], got "jet"`:         func(c *Config) { c.Colors = "jet" },
	} {
		cfg := spectrum(Mel, 8000, 8000)
		change(&cfg)
		_, err := New(cfg)
		var wrong *FieldError
		require.ErrorAs(t, err, &wrong, field)
		require.ErrorContains(t, err, field)
		require.True(t, strings.HasPrefix(field, wrong.Field))
	}
	cfg := spectrum(Mel, 8000, 8000)
	cfg.Kind = "cartoon"
	_, err := New(cfg)
	require.ErrorContains(t, err, "cartoon")
}

// TestDrawingsStop: an error of Config.Step ends the computation.
func TestDrawingsStop(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	cfg := spectrum(Mel, 8000, 8000)
	cfg.Step = func() error { return stop }
	d, err := New(cfg)
	require.NoError(t, err)
	require.ErrorIs(t, d.Write(signal(8000)), stop)
	require.ErrorIs(t, d.Finish(), stop)
}

func TestTicks(t *testing.T) {
	t.Parallel()
	labels := func(list []tick) string {
		var all []string
		for _, one := range list {
			all = append(all, one.label)
		}
		return strings.Join(all, " ")
	}
	for want, axis := range map[string]Axis{
		"0 0.2 0.4 0.6 0.8 1|Time (s)":                                 {From: 0, To: 1},
		"0:00 0:30 1:00 1:30 2:00|Time (min:s)":                        {From: 0, To: 120},
		"0:00:00 0:15:00 0:30:00 0:45:00 1:00:00|Time (h:min:s)":       {From: 0, To: 3600},
		"59.92 59.94 59.96 59.98|Time (s)":                             {From: 59.91, To: 59.99},
		"23:00:00 23:30:00 24:00:00|Time (h:min:s)":                    {From: 82000, To: 87000},
		"0:00:00 12:00:00 24:00:00 36:00:00 48:00:00|Time (h:min:s)":   {From: 0, To: 172800},
		"0:00:00 48:00:00 96:00:00 144:00:00 192:00:00|Time (h:min:s)": {From: 0, To: 800000},
	} {
		list, title := timeTicks(axis, 500)
		require.Equal(t, want, labels(list)+"|"+title)
	}
	require.Equal(t, "20 50 100 200 500 1k 2k 5k 10k 20k", labels(hertzTicks(Axis{From: 20, To: 24000, Scale: Log}, 300)))
	require.Equal(t, "0 500 1k 2k 3k 5k 10k 20k", labels(hertzTicks(Axis{To: 24000, Scale: Mel}, 200)))
	require.Equal(t, "0 2k 4k 6k 8k", labels(hertzTicks(Axis{To: 8000, Scale: Linear}, 160)))
	require.Equal(t, "-60 -40 -20 0", labels(levelTicks(Axis{From: -60, To: 0, Scale: Linear}, 150)))
	for _, scale := range []Scale{Linear, Log, Mel} {
		axis := Axis{From: 30, To: 20000, Scale: scale}
		for _, hz := range []float64{30, 500, 1000, 1500, 20000} {
			require.InDelta(t, hz, axis.Value(axis.At(hz)), 1e-6)
		}
	}
}

// TestAMixIsTheMean has channels of different amplitudes.
func TestAMixIsTheMean(t *testing.T) {
	t.Parallel()
	samples := make([]float32, 2*8000)
	for i := range samples {
		samples[i] = []float32{0.9, 0.1}[i%2] * float32(1-2*(i/2%2))
	}
	cfg := Config{Kind: Waveform, Width: 100, Height: 80, Bare: true, SampleRateHz: 8000, Channels: 2, Frames: 8000, Mix: true}
	_, picture := drawn(t, cfg, samples, 999)
	wave := uint8(1 + int(inkWave)*shades)
	require.Less(t, picture.ColorIndexAt(50, 17), wave)
	require.GreaterOrEqual(t, picture.ColorIndexAt(50, 22), wave)
}

// TestTheIntegratedLoudnessIsThatOfPackageAnalysis has a quiet part, which the gate leaves
// out.
func TestTheIntegratedLoudnessIsThatOfPackageAnalysis(t *testing.T) {
	t.Parallel()
	samples := append(tone(48000, 1, 5*48000, 1000, 0.1), tone(48000, 1, 20*48000, 1000, 0.01)...)
	analyzer, err := analysis.New(analysis.Config{
		SampleRateHz: 48000, Channels: 1, Features: []analysis.Feature{analysis.FeatureLoudness}, Series: []string{analysis.SeriesMomentary},
	})
	require.NoError(t, err)
	analyzer.Write(samples)
	report := analyzer.Finish()
	require.InDelta(t, *report.Loudness.IntegratedLUFS, integrated(report.Series[analysis.SeriesMomentary].Values.All), 0.01)

	cfg := spectrum(Mel, 48000, len(samples))
	cfg.Kind, cfg.FloorDB = Loudness, -60
	d, _ := drawn(t, cfg, samples, 48000)
	var svg bytes.Buffer
	require.NoError(t, d.Encode(&svg, SVG))
	require.Contains(t, svg.String(), fmt.Sprintf("Integrated, %.1f LUFS", *report.Loudness.IntegratedLUFS))
}
