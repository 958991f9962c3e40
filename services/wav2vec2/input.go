package wav2vec2

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

// blockFrames is how many frames are decoded at a time.
const blockFrames = 8192

// openAudio reads the header of the task's audio and checks its length. The
// caller closes the closer.
func (s *Service) openAudio(source services.AudioSource) (*audiofile.Reader, io.Closer, error) {
	if source == nil {
		return nil, nil, services.Invalidf("file", "is missing; send the audio as form field file")
	}
	file, err := source.Open()
	if err != nil {
		return nil, nil, services.Internal(err, "the upload could not be read")
	}
	limits := s.cfg.Audio
	limits.MaxDuration = time.Duration(s.cfg.MaxSeconds * float64(time.Second))
	reader, err := audiofile.Open(file, source.Size(), limits)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return reader, audioCloser{reader, file}, nil
}

// audioCloser closes a decoder and then its file.
type audioCloser struct {
	reader *audiofile.Reader
	file   io.Closer
}

// Close implements io.Closer.
func (c audioCloser) Close() error { return errors.Join(c.reader.Close(), c.file.Close()) }

// readMono decodes a whole recording to mono samples at the given rate.
func readMono(ctx context.Context, reader *audiofile.Reader, rateHz int) ([]float32, error) {
	format := reader.Format()
	resampler, err := dsp.NewResampler(format.SampleRateHz, rateHz)
	if err != nil {
		return nil, services.Invalidf("file", "cannot be resampled from %d Hz: %v", format.SampleRateHz, err)
	}
	block := make([]float32, blockFrames*format.Channels)
	mono := make([]float32, 0, blockFrames)
	samples := make([]float32, 0, resampler.OutputLen(format.Frames))
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		frames, err := reader.ReadFrames(block)
		mono = dsp.Downmix(mono[:0], block[:frames*format.Channels], format.Channels)
		samples = resampler.Process(samples, mono)
		if errors.Is(err, io.EOF) {
			return resampler.Flush(samples), nil
		}
		if err != nil {
			return nil, err
		}
	}
}
