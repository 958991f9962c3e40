package tasks

import (
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// Draw draws a recording. Its parameters are DrawParams and its result is *Picture.
	Draw = "draw"
	// ComputePeaks computes the peaks of a recording that players draw. Its parameters are
	// PeaksParams and its result is *Peaks.
	ComputePeaks = "peaks"
)

// The formats of pictures and peaks.
const (
	FormatPNG = "png"
	FormatSVG = "svg"
	FormatDat = "dat"
)

// DrawParams are the parameters of Draw. A missing field has the default of the schema.
type DrawParams struct {
	// Kind is waveform, spectrogram or loudness.
	Kind string `json:"kind,omitempty"`
	// Format is FormatPNG or FormatSVG.
	Format string `json:"format,omitempty"`
	// Width and Height of the picture in pixels.
	Width  *int `json:"width,omitempty"`
	Height *int `json:"height,omitempty"`
	// Theme is light or dark.
	Theme string `json:"theme,omitempty"`
	// Axes reports whether axes are drawn.
	Axes *bool `json:"axes,omitempty"`
	// Channels is each for a panel for each channel, or mix.
	Channels string `json:"channels,omitempty"`
	// Start and End of the part that is drawn, in seconds.
	Start *float64 `json:"start,omitempty"`
	End   *float64 `json:"end,omitempty"`
	// FloorDB and CeilingDB are the limits of the levels.
	FloorDB   *float64 `json:"floor_db,omitempty"`
	CeilingDB *float64 `json:"ceiling_db,omitempty"`
	// FrequencyScale, MinFrequency, MaxFrequency, Colors, Window and Reduce are of
	// spectrograms.
	FrequencyScale string   `json:"frequency_scale,omitempty"`
	MinFrequency   *float64 `json:"min_frequency,omitempty"`
	MaxFrequency   *float64 `json:"max_frequency,omitempty"`
	Colors         string   `json:"colors,omitempty"`
	Window         int      `json:"window,omitempty"`
	Reduce         string   `json:"reduce,omitempty"`
	// Strict as in TranscribeParams.
	Strict bool `json:"strict,omitempty"`
}

// Picture is the result of Draw.
type Picture struct {
	Kind   string      `json:"kind"`
	Format string      `json:"format"`
	Width  int         `json:"width"`
	Height int         `json:"height"`
	Source SoundFormat `json:"source"`
	// Plots are the panels with their axes.
	Plots []Plot `json:"plots"`
	// Data is the file, as base64 in JSON.
	Data []byte `json:"data"`
}

// Plot is one panel of a Picture: a rectangle in pixels from the upper left corner, and the
// values at its edges.
type Plot struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
	// Channel is the number of the channel from 1, or 0 for all channels together.
	Channel int  `json:"channel"`
	XAxis   Axis `json:"x_axis"`
	YAxis   Axis `json:"y_axis"`
}

// Axis is one axis of a Plot. From is at the left or the lower edge.
type Axis struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Unit  string  `json:"unit"`
	Scale string  `json:"scale"`
}

// Content types of pictures and peaks.
const (
	contentPNG = "image/png"
	contentSVG = "image/svg+xml"
	contentDat = "application/octet-stream"
)

// FormsFor implements services.FormedFor: the picture itself comes before its description.
func (p *Picture) FormsFor(raw json.RawMessage) (forms []services.Form, first bool) {
	var params DrawParams
	_ = json.Unmarshal(raw, &params) // accepted parameters can be decoded
	form := services.Form{Name: FormatPNG, ContentType: contentPNG, Encode: func() ([]byte, error) { return p.Data, nil }}
	if params.Format == FormatSVG {
		form.Name, form.ContentType = FormatSVG, contentSVG
	}
	return []services.Form{form}, true
}

// PeaksParams are the parameters of ComputePeaks.
type PeaksParams struct {
	// SamplesPerPixel is the number of samples of a peak, and Pixels the number of peaks;
	// only one of them is set.
	SamplesPerPixel int64 `json:"samples_per_pixel,omitempty"`
	Pixels          int   `json:"pixels,omitempty"`
	// Bits is 8 or 16; 0 for 16.
	Bits int `json:"bits,omitempty"`
	// Channels is each or mix; empty for each.
	Channels string `json:"channels,omitempty"`
	// Version of the format, 1 or 2; 0 for 2. Version 1 has one channel.
	Version int `json:"version,omitempty"`
	// Format is FormatJSON or FormatDat; empty for FormatJSON.
	Format string `json:"format,omitempty"`
	// Strict as in TranscribeParams.
	Strict bool `json:"strict,omitempty"`
}

// Peaks is the result of ComputePeaks, with the fields of the JSON format of audiowaveform.
type Peaks struct {
	Version int `json:"version"`
	// Channels is left out in version 1.
	Channels        int   `json:"channels,omitempty"`
	SampleRateHz    int   `json:"sample_rate"`
	SamplesPerPixel int64 `json:"samples_per_pixel"`
	Bits            int   `json:"bits"`
	// Length is the number of peaks of a channel.
	Length int `json:"length"`
	// Data has the lowest and the highest value of each channel of each peak.
	Data []int16 `json:"data"`
}

// FormsFor implements services.FormedFor.
func (p *Peaks) FormsFor(raw json.RawMessage) (forms []services.Form, first bool) {
	var params PeaksParams
	_ = json.Unmarshal(raw, &params) // accepted parameters can be decoded
	return []services.Form{{Name: FormatDat, ContentType: contentDat, Encode: p.dat}}, params.Format == FormatDat
}

// dat returns the peaks in the binary format of audiowaveform: a header of little-endian
// numbers of 32 bits, and the values.
func (p *Peaks) dat() ([]byte, error) {
	eight := uint32(0)
	if p.Bits == 8 {
		eight = 1
	}
	header := []uint32{uint32(p.Version), eight, uint32(p.SampleRateHz), uint32(p.SamplesPerPixel), uint32(p.Length)}
	if p.Version > 1 {
		header = append(header, uint32(p.Channels))
	}
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, header); err != nil {
		return nil, err
	}
	if eight == 0 {
		err := binary.Write(&out, binary.LittleEndian, p.Data)
		return out.Bytes(), err
	}
	for _, v := range p.Data {
		out.WriteByte(byte(v))
	}
	return out.Bytes(), nil
}

var (
	_ services.FormedFor = (*Picture)(nil)
	_ services.FormedFor = (*Peaks)(nil)
)
