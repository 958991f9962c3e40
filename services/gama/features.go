package gama

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// astExtractor is the extractor type that divides by twice the deviation, like the code
// of the AST paper.
const astExtractor = "ASTFeatureExtractor"

// whisperExtractor is the extractor type of models that hear as Whisper does, whose features
// have the frames last.
const whisperExtractor = "WhisperFeatureExtractor"

// extractor computes the network's input from samples. Safe for concurrent use.
type extractor struct {
	cfg preprocessorConfig
	// bank is that of Kaldi, mel that of Whisper, one of which is set.
	bank *dsp.FilterBank
	mel  *dsp.WhisperMel
	// longest is the maximum number of samples in one window.
	longest int
}

func newExtractor(cfg preprocessorConfig, maxFrames int) (*extractor, error) {
	if cfg.isWhisper() {
		mel := dsp.NewWhisperMel(dsp.WhisperMelConfig{SampleRateHz: cfg.SamplingRate, FFT: cfg.FFT, Hop: cfg.Hop, Bands: cfg.MelBins})
		return &extractor{cfg: cfg, mel: mel, longest: cfg.MaxLength * cfg.Hop}, nil
	}
	bank, err := dsp.NewFilterBank(dsp.FilterBankConfig{
		SampleRateHz: cfg.SamplingRate, Bins: cfg.MelBins, LengthMS: cfg.LengthMS, ShiftMS: cfg.ShiftMS, Window: cfg.WindowType,
	})
	if err != nil {
		return nil, err
	}
	frames := cfg.MaxLength
	if maxFrames > 0 {
		frames = min(frames, maxFrames)
	}
	return &extractor{cfg: cfg, bank: bank, longest: bank.Samples(frames)}, nil
}

// frames returns the number of frames of so many samples, without padding.
func (e *extractor) frames(samples int) int {
	if e.mel != nil {
		return e.mel.Frames(samples)
	}
	return e.bank.Frames(samples)
}

// shortest returns the number of samples of one frame.
func (e *extractor) shortest() int {
	if e.mel != nil {
		return e.cfg.Hop
	}
	return e.bank.Samples(1)
}

// features returns normalised log-mel frames, and their shape without the batch: [frames, bins],
// or [bins, frames] as Whisper has them. It modifies the samples, which are in [-1, 1] at the
// model's rate.
func (e *extractor) features(samples []float32) ([]float32, []int64) {
	bins := int64(e.cfg.MelBins)
	if e.mel != nil {
		length := len(samples)
		if e.cfg.PadToMaxLength {
			length = max(length, e.longest)
		}
		out := e.mel.Compute(samples, length)
		return out, []int64{bins, int64(len(out)) / bins}
	}
	out := e.kaldi(samples)
	return out, []int64{int64(len(out)) / bins, bins}
}

// kaldi returns the frames of Kaldi's filter bank, normalised.
func (e *extractor) kaldi(samples []float32) []float32 {
	if e.cfg.SubtractClipMean {
		sum := 0.0
		for _, v := range samples {
			sum += float64(v)
		}
		mean := float32(sum / float64(max(1, len(samples))))
		for i := range samples {
			samples[i] -= mean
		}
	}
	out := e.bank.Compute(samples)
	// Padding is added before the normalisation as in GAMA's code.
	for e.cfg.PadToMaxLength && len(out) < e.cfg.MaxLength*e.cfg.MelBins {
		out = append(out, e.cfg.PaddingValue)
	}
	divisor := e.cfg.Std
	if e.cfg.ExtractorType == astExtractor {
		divisor *= 2
	}
	if e.cfg.Mean != 0 || divisor != 1 {
		for i, v := range out {
			out[i] = float32((float64(v) - e.cfg.Mean) / divisor)
		}
	}
	return out
}

// blockFrames is the number of frames decoded at a time.
const blockFrames = 8192

// recording reads a sound as windows of mono samples at the model's rate.
type recording struct {
	reader    *audiofile.Reader
	closer    io.Closer
	resampler *dsp.Resampler
	block     []float32
	mono      []float32
	buffer    []float32
	ended     bool
}

// openAudio reads the header of the task's audio and checks its length.
func (s *Service) openAudio(source services.AudioSource, rateHz int, reading services.Reading) (*recording, error) {
	file, err := source.Open()
	if err != nil {
		return nil, services.Unreadable(err)
	}
	limits := s.cfg.Audio.Of(reading)
	limits.MaxDuration = min(limits.MaxDuration, seconds(s.cfg.MaxSeconds))
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
		block: make([]float32, blockFrames*format.Channels),
	}, nil
}

// Close closes the decoder and then its file.
func (r *recording) Close() error { return errors.Join(r.reader.Close(), r.closer.Close()) }

// length returns the number of samples at the model's rate according to the header.
func (r *recording) length() int64 { return r.resampler.OutputLen(r.reader.Format().Frames) }

// next returns up to n samples, and whether they are the last.
func (r *recording) next(ctx context.Context, n int) (samples []float32, last bool, err error) {
	for !r.ended && len(r.buffer) <= n {
		if err := ctx.Err(); err != nil {
			return nil, false, fmt.Errorf("decode: %w", err)
		}
		channels := r.reader.Format().Channels
		frames, err := r.reader.ReadFrames(r.block)
		r.mono = dsp.Downmix(r.mono[:0], r.block[:frames*channels], channels)
		r.buffer = r.resampler.Process(r.buffer, r.mono)
		switch {
		case errors.Is(err, io.EOF):
			r.buffer, r.ended = r.resampler.Flush(r.buffer), true
		case err != nil:
			return nil, false, err
		}
	}
	n = min(n, len(r.buffer))
	samples = append([]float32(nil), r.buffer[:n]...)
	r.buffer = r.buffer[:copy(r.buffer, r.buffer[n:])]
	return samples, r.ended && len(r.buffer) == 0, nil
}
