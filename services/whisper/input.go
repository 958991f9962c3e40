package whisper

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

// blockFrames is the number of frames decoded at a time.
const blockFrames = 8192

// recording reads a recording as mono samples at the model's rate. A window is read again
// from its first unused sample, so that memory does not grow with the recording.
type recording struct {
	reader      *audiofile.Reader
	file        io.Closer
	resampler   *dsp.Resampler
	block, mono []float32
	buffer      []float32
	// passed is the number of samples before the buffer.
	passed      int64
	ended       bool
	least, most float32
}

// openAudio reads the header of a recording and checks its length.
func (s *Service) openAudio(source services.AudioSource, rateHz int, reading services.Reading) (*recording, error) {
	if source == nil {
		return nil, services.Invalidf("file", "is missing; send the audio as form field file")
	}
	file, err := source.Open()
	if err != nil {
		return nil, services.Unreadable(err)
	}
	reader, err := audiofile.Open(file, source.Size(), s.cfg.Audio.Of(reading))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	format := reader.Format()
	resampler, err := dsp.NewResampler(format.SampleRateHz, rateHz)
	if err != nil {
		err = services.Invalidf("file", "cannot be resampled from %d Hz: %v", format.SampleRateHz, err)
		return nil, errors.Join(err, reader.Close(), file.Close())
	}
	return &recording{
		reader: reader, file: file, resampler: resampler, block: make([]float32, blockFrames*format.Channels),
		least: math.MaxFloat32, most: -math.MaxFloat32,
	}, nil
}

// Close closes the decoder and then its file.
func (r *recording) Close() error { return errors.Join(r.reader.Close(), r.file.Close()) }

// window returns the next n samples, or fewer at the end, without using them up.
func (r *recording) window(ctx context.Context, n int) ([]float32, error) {
	for !r.ended && len(r.buffer) <= n {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		channels := r.reader.Format().Channels
		frames, err := r.reader.ReadFrames(r.block)
		r.mono = dsp.Downmix(r.mono[:0], r.block[:frames*channels], channels)
		for _, v := range r.mono {
			r.least, r.most = min(r.least, v), max(r.most, v)
		}
		r.buffer = r.resampler.Process(r.buffer, r.mono)
		switch {
		case errors.Is(err, io.EOF):
			r.buffer, r.ended = r.resampler.Flush(r.buffer), true
		case err != nil:
			return nil, err
		}
	}
	return r.buffer[:min(n, len(r.buffer))], nil
}

// pass uses up n samples.
func (r *recording) pass(n int) {
	n = min(n, len(r.buffer))
	r.buffer = r.buffer[:copy(r.buffer, r.buffer[n:])]
	r.passed += int64(n)
}

// done reports whether all samples are used up. It is known after a window was read.
func (r *recording) done() bool { return r.ended && len(r.buffer) == 0 }

// isSilent reports whether all samples so far have the same value, as those of a muted
// microphone.
func (r *recording) isSilent() bool { return r.least >= r.most }

// fraction returns how much of the recording is used up, below one until the end.
func (r *recording) fraction() float64 {
	total := r.resampler.OutputLen(r.reader.Format().Frames)
	if total <= 0 {
		return 0
	}
	return min(float64(r.passed)/float64(total), 0.99)
}
