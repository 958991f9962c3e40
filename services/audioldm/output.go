package audioldm

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// highest is the maximum peak of a sound, slightly below full scale.
const highest = 0.99

// level removes the mean and attenuates a sound that would clip. A quiet sound is not
// amplified.
func level(samples []float32) {
	if len(samples) == 0 {
		return
	}
	sum := 0.0
	for _, v := range samples {
		sum += float64(v)
	}
	mean := float32(sum / float64(len(samples)))
	for i := range samples {
		samples[i] -= mean
	}
	limit(samples)
}

// limit attenuates a sound that would clip.
func limit(samples []float32) {
	peak := float32(0)
	for _, v := range samples {
		peak = max(peak, float32(math.Abs(float64(v))))
	}
	if peak <= highest {
		return
	}
	for i := range samples {
		samples[i] *= highest / peak
	}
}

// writeAll writes every sound to a file in the spool folder. After an error no file
// remains.
func (s *Service) writeAll(ctx context.Context, sounds [][]float32, m *model, p plan) (*services.Artifact, error) {
	from := m.folder.vocoder.SampleRateHz
	out := p.output(from)
	var first *services.Artifact
	for i, samples := range sounds {
		var err error
		if out.SampleRateHz != from {
			samples, err = resample(samples, from, out.SampleRateHz)
		}
		var one *services.Artifact
		if err == nil {
			one, err = s.write(ctx, samples, out, tags(m.name, p, i))
		}
		switch {
		case err != nil:
			return nil, errors.Join(err, first.Remove())
		case first == nil:
			first = one
		default:
			first.More = append(first.More, one)
		}
	}
	return first, nil
}

// resample preserves the length in seconds, rounded up to a sample. Ripples of the
// filter may exceed the peak of the input.
func resample(samples []float32, from, to int) ([]float32, error) {
	r, err := dsp.NewResampler(from, to)
	if err != nil {
		return nil, services.Internal(err, "the sound could not be resampled")
	}
	resampled := r.Flush(r.Process(nil, samples))
	limit(resampled)
	return resampled, nil
}

// tags returns the file's metadata with the parameters needed to reproduce it. index
// counts the waveforms of one request.
func tags(model string, p plan, index int) []audiofile.Tag {
	about := struct {
		Model     string  `json:"model"`
		Prompt    string  `json:"prompt"`
		Negative  string  `json:"negative_prompt,omitempty"`
		Seed      uint64  `json:"seed"`
		Seconds   float64 `json:"audio_length_in_s"`
		Steps     int     `json:"num_inference_steps"`
		Guidance  float64 `json:"guidance_scale"`
		Scheduler string  `json:"scheduler"`
		Eta       float64 `json:"eta,omitempty"`
		Count     int     `json:"num_waveforms_per_prompt,omitempty"`
		Index     int     `json:"index,omitempty"`
	}{model, p.prompt, p.negative, p.seed, p.seconds, p.steps, p.guidance, p.scheduler, p.eta, 0, index}
	if p.count > 1 {
		about.Count = p.count
	}
	comment, err := json.Marshal(about)
	if err != nil {
		// Strings and finite numbers can always be encoded.
		comment = nil
	}
	return []audiofile.Tag{
		{Key: audiofile.TagTitle, Value: p.prompt},
		{Key: audiofile.TagComment, Value: string(comment)},
		{Key: audiofile.TagSoftware, Value: "grym-synth"},
		{Key: "PROMPT", Value: p.prompt},
		{Key: "NEGATIVE_PROMPT", Value: p.negative},
		{Key: "SEED", Value: strconv.FormatUint(p.seed, 10)},
		{Key: "MODEL", Value: model},
	}
}

// write writes one sound to a file.
func (s *Service) write(
	ctx context.Context, samples []float32, out audiofile.Output, tags []audiofile.Tag,
) (artifact *services.Artifact, err error) {
	file, err := os.CreateTemp(s.dir, "generation-*")
	if err != nil {
		return nil, storeFault(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	defer file.Close()
	writer, err := audiofile.NewWriter(ctx, file, out, tags...)
	if err != nil {
		return nil, storeFault(err)
	}
	defer writer.Stop()
	if err := writer.WriteFrames(samples); err != nil {
		return nil, storeFault(err)
	}
	if err := writer.Close(); err != nil {
		return nil, storeFault(err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, storeFault(err)
	}
	return &services.Artifact{Path: filepath.Clean(file.Name()), ContentType: out.ContentType(), Bytes: info.Size()}, nil
}

// storeFault returns the fault of a file that could not be written.
func storeFault(err error) error {
	var known *services.Fault
	if errors.As(err, &known) {
		return err
	}
	fault := services.Unstored(err, services.KindUnavailable, "the sound could not be stored")
	fault.RetryAfter = 10 * time.Second
	return fault
}
