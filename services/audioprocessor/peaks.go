package audioprocessor

import (
	"cmp"
	"context"
	"errors"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/drawing"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	defaultPeaks = 2000
	// leastPerPeak is the least number of samples of a peak; players expect two.
	leastPerPeak = 2
	// maxPeakValues limits the size of an answer.
	maxPeakValues     = 2_000_000
	bytesPerPeakValue = 12 // twice for the growth of the list, and its text
)

// peaksTask is a ComputePeaks task.
type peaksTask struct {
	service *Service
	params  tasks.PeaksParams
	audio   services.AudioSource
	bytes   services.Bytes
	sizes   []services.Size
}

func (s *Service) preparePeaks(task services.Task) (*peaksTask, error) {
	p := &peaksTask{service: s, audio: task.Audio}
	if err := tasks.DecodeParams(task.Params, &p.params); err != nil {
		return nil, err
	}
	if p.params.Pixels != 0 && p.params.SamplesPerPixel != 0 {
		return nil, services.Invalidf("pixels", "cannot be combined with samples_per_pixel")
	}
	file, reader, err := s.openAudio(p.audio, services.Reading{Strict: p.params.Strict})
	if err != nil {
		return nil, err
	}
	err = p.plan(reader.Format())
	if err := errors.Join(err, reader.Close(), file.Close()); err != nil {
		return nil, err
	}
	return p, nil
}

// channels returns the number of channels of the peaks.
func (p *peaksTask) channels(format audiofile.Format) int {
	if p.params.Channels == channelsMix {
		return 1
	}
	return format.Channels
}

// perPeak returns the number of samples of a peak, or a fault if there would be too many
// peaks.
func (p *peaksTask) perPeak(format audiofile.Format) (int64, error) {
	channels := int64(p.channels(format))
	most := maxPeakValues / (2 * channels) // peaks
	if per := p.params.SamplesPerPixel; per != 0 {
		if length := (format.Frames + per - 1) / per; length > most {
			return 0, services.Invalidf("samples_per_pixel", "must be at least %d for a recording of %.0f s with %d channels, "+
				"because an answer has at most %d values, got %d", (format.Frames+most-1)/most, format.Duration().Seconds(), channels,
				maxPeakValues, per)
		}
		return per, nil
	}
	pixels := int64(cmp.Or(p.params.Pixels, defaultPeaks))
	if pixels > most {
		return 0, services.Invalidf("pixels", "must be at most %d for %d channels, because an answer has at most %d values, got %d", most,
			channels, maxPeakValues, pixels)
	}
	return max(leastPerPeak, (format.Frames+pixels-1)/pixels), nil
}

// plan checks the parameters and estimates the memory.
func (p *peaksTask) plan(format audiofile.Format) error {
	channels := p.channels(format)
	if p.params.Version == 1 && channels > 1 {
		return services.Invalidf("version", "1 has peaks of one channel, and the recording has %d; send channels=mix, or version 2", channels)
	}
	per, err := p.perPeak(format)
	if err != nil && !format.Guessed {
		return err
	}
	values := int64(maxPeakValues)
	if err == nil {
		values = min(values, 2*int64(channels)*(1+format.Frames/per))
	}
	p.bytes = decoderBytes + services.Bytes(bytesPerPeakValue*values) + services.Bytes(4*blockFrames*4*format.Channels)
	if format.Container == "ffmpeg" { // its memory is not measured
		p.bytes += ffmpegBytes
		return nil
	}
	p.sizes = []services.Size{{Name: "channels", Value: float64(format.Channels)}, {Name: "values", Value: float64(values)}}
	return nil
}

func (p *peaksTask) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	clock := services.NewStageClock(ctx)
	defer services.Occupy(ctx, p.bytes-decoderBytes)()
	var result *tasks.Peaks
	var warnings []services.Warning
	err := p.service.readTwice(p.audio, p.params.Strict, func(reader *audiofile.Reader, known audiofile.Format) error {
		per, err := p.perPeak(known)
		if err != nil {
			return err
		}
		peaks := drawing.NewPeaks(known.Channels, per, p.params.Channels == channelsMix)
		part := passage{end: math.MaxInt64, doing: "computing peaks", write: func(interleaved []float32) error {
			peaks.Write(interleaved)
			return nil
		}}
		err = part.read(ctx, reader, sink)
		peaks.Finish()
		result, warnings = p.result(peaks, known.SampleRateHz, per), reader.Warnings()
		return err
	}, func(reader *audiofile.Reader) error {
		part := passage{end: math.MaxInt64, write: func([]float32) error { return nil }, doing: "measuring the length"}
		return part.read(ctx, reader, sink)
	})
	if err != nil {
		return services.TaskResult{}, err
	}
	sink.Progress(1, "done")
	clock.Book(services.StageOutput)
	return services.TaskResult{Value: result, Stages: clock.Times(), Warnings: warnings}, nil
}

// result returns the peaks in the requested version and with the requested bits.
func (p *peaksTask) result(peaks *drawing.Peaks, rate int, per int64) *tasks.Peaks {
	r := &tasks.Peaks{
		Version: cmp.Or(p.params.Version, 2), SampleRateHz: rate, SamplesPerPixel: per, Bits: cmp.Or(p.params.Bits, 16),
		Length: peaks.Length(), Data: peaks.Values,
	}
	if r.Version > 1 {
		r.Channels = peaks.Channels()
	}
	if r.Bits == 8 {
		for i := range r.Data {
			r.Data[i] /= 256 // towards zero, as audiowaveform does
		}
	}
	return r
}
