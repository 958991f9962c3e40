package wav2vec2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// window is one piece of a long recording. The samples at its edges only provide
// context; their frames are taken from the neighbouring windows.
type window struct {
	samples     []float32
	left, right int
	// last reports whether this is the last window.
	last bool
}

// windows splits a recording like the chunked pipeline of transformers: into pieces of
// length samples, which overlap by the strides on their sides. It reads ahead as little
// as possible, so memory does not grow with the recording.
type windows struct {
	reader    *audiofile.Reader
	resampler *dsp.Resampler
	// length of a window and the strides on its sides, in samples; a length of zero
	// means a single window.
	length, left, right int

	block, mono, buffer []float32
	ended, begun        bool
	// least and most are the minimum and maximum of all samples read so far.
	least, most float32
}

// newWindows returns the windows of a reader. rateHz is the model's rate.
func newWindows(reader *audiofile.Reader, rateHz, length, left, right int) (*windows, error) {
	format := reader.Format()
	resampler, err := dsp.NewResampler(format.SampleRateHz, rateHz)
	if err != nil {
		return nil, services.Invalidf("file", "cannot be resampled from %d Hz: %v", format.SampleRateHz, err)
	}
	return &windows{
		reader: reader, resampler: resampler, length: length, left: left, right: right,
		block: make([]float32, blockFrames*format.Channels), mono: make([]float32, 0, blockFrames),
		least: math.MaxFloat32, most: -math.MaxFloat32,
	}, nil
}

// next returns the next window. The caller may modify its samples.
func (w *windows) next(ctx context.Context) (window, error) {
	if w.begun {
		// The right context of the previous window is part of this one.
		step := w.length - w.left - w.right
		w.buffer = w.buffer[:copy(w.buffer, w.buffer[step:])]
	}
	// One sample more than a window shows whether this is the last one.
	for !w.ended && (w.length == 0 || len(w.buffer) <= w.length) {
		if err := w.read(ctx); err != nil {
			return window{}, err
		}
	}
	next := window{left: w.left, right: w.right}
	if !w.begun {
		next.left = 0
	}
	w.begun = true
	n := len(w.buffer)
	if w.length > 0 {
		n = min(n, w.length)
	}
	if n == len(w.buffer) {
		next.last, next.right = true, 0
	}
	next.samples = append([]float32(nil), w.buffer[:n]...)
	return next, nil
}

// read decodes one more block.
func (w *windows) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	channels := w.reader.Format().Channels
	frames, err := w.reader.ReadFrames(w.block)
	w.mono = dsp.Downmix(w.mono[:0], w.block[:frames*channels], channels)
	for _, v := range w.mono {
		w.least, w.most = min(w.least, v), max(w.most, v)
	}
	w.buffer = w.resampler.Process(w.buffer, w.mono)
	if errors.Is(err, io.EOF) {
		w.buffer = w.resampler.Flush(w.buffer)
		w.ended = true
		return nil
	}
	return err
}

// silent reports whether all samples read so far have the same value, as those of a muted
// microphone.
func (w *windows) silent() bool { return w.least >= w.most }

// windowSamples rounds a window and its stride to whole frames of the model, half to
// even as in Python. The stride is a sixth of the window.
func windowSamples(seconds float64, rateHz, ratio int) (length, stride int) {
	round := func(seconds float64) int {
		return int(math.RoundToEven(seconds*float64(rateHz)/float64(ratio))) * ratio
	}
	return round(seconds), round(seconds / 6)
}

// ownFrames returns the range of frames that belong to a window, out of the given
// number from the network. ratio is the number of samples per frame.
func (w window) ownFrames(frames, ratio int) (from, to int) {
	n := float64(len(w.samples))
	if n == 0 {
		return 0, 0
	}
	// The pipeline computes one frame more than the convolutions produce; its slices
	// end at the actual length.
	tokens := math.RoundToEven(n / float64(ratio))
	from = int(math.RoundToEven(float64(w.left) / n * tokens))
	to = int(tokens) - int(math.RoundToEven(float64(w.right)/n*tokens))
	return min(from, frames), min(to, frames)
}
