package clap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// blockFrames is the number of frames decoded at a time.
const blockFrames = 8192

// recording reads a sound as mono samples at the model's rate.
type recording struct {
	reader    *audiofile.Reader
	closer    io.Closer
	resampler *dsp.Resampler

	block, mono, resampled []float32
	ended                  bool
	// samples is the number of samples returned.
	samples int64
}

// openAudio reads the header of the task's audio and checks its length, which is limited to
// most seconds unless that is zero. strict rejects audio that is cut short.
func (s *Service) openAudio(source services.AudioSource, rateHz int, most float64, strict bool) (*recording, error) {
	file, err := source.Open()
	if err != nil {
		return nil, services.Unreadable(err)
	}
	limits := s.cfg.Audio
	limits.Strict = limits.Strict || strict
	if most > 0 {
		limits.MaxDuration = min(limits.MaxDuration, time.Duration(most*float64(time.Second)))
	}
	reader, err := audiofile.Open(file, source.Size(), limits)
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
		reader: reader, closer: file, resampler: resampler,
		block: make([]float32, blockFrames*format.Channels), mono: make([]float32, 0, blockFrames),
	}, nil
}

// Close closes the decoder and then its file.
func (r *recording) Close() error { return errors.Join(r.reader.Close(), r.closer.Close()) }

// length returns the number of samples at the model's rate according to the header.
func (r *recording) length() int64 { return r.resampler.OutputLen(r.reader.Format().Frames) }

// next returns further samples, which are valid until the next call, and whether they are
// the last.
func (r *recording) next(ctx context.Context) (samples []float32, last bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("decode: %w", err)
	}
	channels := r.reader.Format().Channels
	frames, err := r.reader.ReadFrames(r.block)
	r.mono = dsp.Downmix(r.mono[:0], r.block[:frames*channels], channels)
	r.resampled = r.resampler.Process(r.resampled[:0], r.mono)
	switch {
	case errors.Is(err, io.EOF):
		r.resampled, r.ended = r.resampler.Flush(r.resampled), true
	case err != nil:
		return nil, false, fmt.Errorf("read audio: %w", err)
	}
	r.samples += int64(len(r.resampled))
	return r.resampled, r.ended, nil
}

// fraction returns the part of the recording that was read, below one until the end.
func (r *recording) fraction() float64 {
	total := r.length()
	if total <= 0 {
		return 0
	}
	return min(float64(r.samples)/float64(total), 0.99)
}
