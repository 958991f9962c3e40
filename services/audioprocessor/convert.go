package audioprocessor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// blockFrames is the number of frames processed at a time.
	blockFrames = 8192
	// yieldBlocks is the number of blocks between two calls of services.Yield, about
	// two milliseconds of work.
	yieldBlocks = 4
	// decoderBytes is an upper bound for the memory of a decoder, an encoder and the
	// filter.
	decoderBytes = 12 * services.MiB
	// ffmpegBytes is the memory of the external program.
	ffmpegBytes = 96 * services.MiB
)

// plan validates the parameters and determines the output.
func (s *Service) plan(j *job, params tasks.ConvertParams) error {
	format := j.reader.Format()
	j.out = audiofile.NewOutput(params.Container, params.BitDepth, s.limits)
	j.out.SampleRateHz = cmp.Or(params.SampleRateHz, j.out.Container.NearestRate(format.SampleRateHz))
	j.out.Channels = cmp.Or(params.Channels, format.Channels)
	fault := new(services.Fault)
	if err := j.out.Validate(); err != nil && !errors.As(err, &fault) {
		return err
	}
	fault.Kind = services.KindInvalid
	if hz := j.out.SampleRateHz; hz > 0 && hz < dsp.MinSampleRateHz {
		fault.Fields = append(fault.Fields,
			services.FieldError{
				Field:   "sample_rate",
				Problem: fmt.Sprintf("must be %d to %d Hz, got %d", dsp.MinSampleRateHz, dsp.MaxSampleRateHz, hz),
			})
	}
	if to := j.out.Channels; to >= 1 && to <= s.limits.MaxChannels && !dsp.CanRemix(format.Channels, to) {
		fault.Fields = append(fault.Fields,
			services.FieldError{
				Field:   "channels",
				Problem: fmt.Sprintf("must be 1, 2 or the %d of the recording, got %d", format.Channels, to),
			})
	}
	if len(fault.Fields) > 0 {
		return fault
	}
	var err error
	if j.converter, err = dsp.NewConverter(format.SampleRateHz, j.out.SampleRateHz, format.Channels, j.out.Channels); err != nil {
		return services.Invalidf("file", "cannot be converted: %v", err)
	}
	if format.Guessed { // the size is checked while writing
		return nil
	}
	return s.checkSize(j.out, j.converter.OutputLen(format.Frames))
}

// checkSize returns a fault if the result would be too large. The size of FLAC is only
// known while it is written.
func (s *Service) checkSize(out audiofile.Output, frames int64) error {
	if size := out.Bytes(frames); !out.IsCompressed() && size > int64(s.cfg.MaxOutput) {
		return services.Faultf(services.KindTooLarge, "the result would have %d bytes (%s), the limit is %s", size, services.Bytes(size),
			s.cfg.MaxOutput)
	}
	return out.Fits(frames)
}

// bytes returns the peak memory of the job, which does not depend on the length of the
// recording.
func (j *job) bytes() services.Bytes {
	format := j.reader.Format()
	in := int64(blockFrames * 4)
	outFrames := j.converter.OutputLen(blockFrames) + 1
	need := decoderBytes + services.Bytes(3*in*int64(format.Channels)+4*4*outFrames*int64(j.out.Channels))
	if format.Container == "ffmpeg" {
		need += ffmpegBytes
	}
	if j.out.Container.NeedsFFmpeg() {
		need += ffmpegBytes
	}
	return need
}

// sizes returns what the memory of the job depends on; nil where it is not measured.
func (j *job) sizes() []services.Size {
	format := j.reader.Format()
	if format.Container == "ffmpeg" || j.out.Container.NeedsFFmpeg() {
		return nil
	}
	return []services.Size{
		{Name: "channels", Value: float64(format.Channels)}, {Name: "output_channels", Value: float64(j.out.Channels)},
		{Name: "output_frames", Value: float64(j.converter.OutputLen(blockFrames))},
	}
}

// codecBytes bounds the memory of a usual decoder, an encoder and a filter.
const codecBytes = services.MiB

// buffers returns the memory of the blocks that are converted, and of what converts them.
func (j *job) buffers() services.Bytes {
	in, out := int64(j.reader.Format().Channels), int64(j.out.Channels)
	between := min(in, out)
	outFrames := j.converter.OutputLen(blockFrames)
	return codecBytes + services.Bytes(4*(blockFrames*(in+between)+outFrames*(2*between+2*out)))
}

// Close closes the recording.
func (j *job) Close() error { return errors.Join(j.reader.Close(), j.file.Close()) }

// convert runs the task.
func (w *conversion) convert(ctx context.Context, sink services.Sink) (_ services.TaskResult, err error) {
	clock, s := services.NewStageClock(ctx), w.service
	j, err := w.open()
	if err != nil {
		return services.TaskResult{}, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	defer services.Occupy(ctx, j.buffers())()
	var written int64
	artifact, err := s.store(j.out, func(file *os.File) (err error) {
		written, err = s.write(ctx, j, file, sink)
		return err
	})
	if err != nil {
		return services.TaskResult{}, err
	}
	clock.Book(services.StageOutput)
	sink.Progress(1, "done")
	source := j.reader.Format()
	return services.TaskResult{
		Audio: artifact,
		Value: &tasks.Conversion{
			Source: soundFormat(source),
			Output: tasks.SoundFormat{
				Container: string(j.out.Container), Encoding: j.out.Encoding(), SampleRateHz: j.out.SampleRateHz,
				Channels: j.out.Channels, DurationSeconds: float64(written) / float64(j.out.SampleRateHz),
			},
		},
		Stages:   clock.Times(),
		Warnings: j.reader.Warnings(),
	}, nil
}

// store returns an artifact with what write writes to its file.
func (s *Service) store(out audiofile.Output, write func(file *os.File) error) (*services.Artifact, error) {
	file, err := os.CreateTemp(s.dir, "sound-*")
	if err != nil {
		return nil, services.Unstored(err, services.KindInternal, "the result could not be stored")
	}
	artifact := &services.Artifact{Path: file.Name(), ContentType: out.ContentType()}
	err = write(file)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = services.Unstored(closeErr, services.KindInternal, "the result could not be stored")
	}
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(artifact.Path); err == nil {
			artifact.Bytes = info.Size()
		}
	}
	if err != nil {
		return nil, errors.Join(err, artifact.Remove())
	}
	return artifact, nil
}

// soundFormat describes the format of a recording.
func soundFormat(f audiofile.Format) tasks.SoundFormat {
	return tasks.SoundFormat{
		Container: f.Container, Encoding: f.Encoding, SampleRateHz: f.SampleRateHz, Channels: f.Channels,
		DurationSeconds: f.Duration().Seconds(),
	}
}

// write streams the sound to the file and returns the number of frames written.
func (s *Service) write(ctx context.Context, j *job, file *os.File, sink services.Sink) (int64, error) {
	writer, err := audiofile.NewWriter(ctx, file, j.out)
	if err != nil {
		return 0, storeFault(err)
	}
	defer writer.Stop()
	format := j.reader.Format()
	block := make([]float32, blockFrames*format.Channels)
	var read int64
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("convert: %w", err)
		}
		if n%yieldBlocks == yieldBlocks-1 {
			if err := services.Yield(ctx); err != nil {
				return 0, fmt.Errorf("convert: %w", err)
			}
		}
		frames, err := j.reader.ReadFrames(block)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return 0, fmt.Errorf("read audio: %w", err)
		}
		out := j.converter.Process(block[:frames*format.Channels])
		if end {
			out = j.converter.Flush()
		}
		if err := s.checkWritten(j.out, file, 0, writer.Frames()+int64(len(out)/j.out.Channels)); err != nil {
			return 0, err
		}
		if err := writer.WriteFrames(out); err != nil {
			return 0, storeFault(err)
		}
		if end {
			return writer.Frames(), storeFault(writer.Close())
		}
		read += int64(frames)
		sink.Progress(min(1, float64(read)/float64(format.Frames)), "converting")
	}
}

// checkWritten compares the data written so far with the limit, for recordings of
// unknown length and for compressed output. before is the size of other files of the task.
func (s *Service) checkWritten(out audiofile.Output, file *os.File, before, frames int64) error {
	if !out.IsCompressed() && before == 0 {
		return s.checkSize(out, frames)
	}
	size := out.Bytes(frames)
	if out.IsCompressed() {
		info, err := file.Stat()
		if err != nil {
			return storeFault(err)
		}
		size = info.Size()
	}
	if before+size > int64(s.cfg.MaxOutput) {
		return services.Faultf(services.KindTooLarge, "the result has more than %s, which is the limit", s.cfg.MaxOutput)
	}
	return nil
}

// storeFault returns a KindInternal fault for an error of the output file.
func storeFault(err error) error {
	var fault *services.Fault
	if err == nil || errors.As(err, &fault) {
		return err
	}
	return services.Unstored(err, services.KindInternal, "the result could not be stored")
}
