package audioprocessor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/editing"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// maxOperations is the maximum number of operations of an Edit task.
	maxOperations = 32
	// maxEditSeconds is the maximum length between operations if the length of
	// recordings is not limited.
	maxEditSeconds = 7 * 86400
	// editYieldSteps is the number of blocks of operations between two calls of
	// services.Yield.
	editYieldSteps = 512
)

// editTask is an Edit task.
type editTask struct {
	service    *Service
	params     tasks.EditParams
	operations []editing.Operation
	audio      services.AudioSource
	bytes      services.Bytes
	sizes      []services.Size
}

func (s *Service) prepareEdit(task services.Task) (*editTask, error) {
	e := &editTask{service: s, audio: task.Audio}
	if err := tasks.DecodeParams(task.Params, &e.params); err != nil {
		return nil, err
	}
	if err := e.parse(); err != nil {
		return nil, err
	}
	running, err := e.open(nil)
	if err != nil {
		return nil, err
	}
	err = e.plan(running)
	if err := errors.Join(err, running.Close()); err != nil {
		return nil, err
	}
	return e, nil
}

// parse decodes the operations.
func (e *editTask) parse() error {
	if n := len(e.params.Operations); n < 1 || n > maxOperations {
		return services.Invalidf("operations", "must be a list of 1 to %d operations, got %d", maxOperations, n)
	}
	fault := &services.Fault{Kind: services.KindInvalid}
	for i, raw := range e.params.Operations {
		operation, err := editing.Parse(raw)
		var param *editing.ParamError
		switch {
		case errors.As(err, &param):
			fault.Fields = append(fault.Fields, services.FieldError{Field: operationField(i, param.Field), Problem: param.Problem})
		case err != nil:
			return services.Invalidf(fmt.Sprintf("operations[%d]", i), "cannot be read: %v", err)
		}
		e.operations = append(e.operations, operation)
	}
	if len(fault.Fields) > 0 {
		return fault
	}
	if e.params.SampleRateHz != 0 {
		e.operations = append(e.operations, editing.Resample(e.params.SampleRateHz))
	}
	return nil
}

func operationField(i int, field string) string { return fmt.Sprintf("operations[%d].%s", i, field) }

// running is an edit under way: the open recording, the operations and the planned output.
type running struct {
	file   io.Closer
	reader *audiofile.Reader
	chain  *editing.Chain
	out    audiofile.Output
}

// Close closes the recording and removes temporary files.
func (r *running) Close() error {
	var err error
	if r.chain != nil {
		err = r.chain.Close()
	}
	return errors.Join(err, r.reader.Close(), r.file.Close())
}

// open reads the recording's header and prepares the operations. The caller closes the
// result.
func (e *editTask) open(step func() error) (*running, error) {
	s := e.service
	file, reader, err := s.openAudio(e.audio, e.params.Reading)
	if err != nil {
		return nil, err
	}
	r := &running{file: file, reader: reader}
	format := reader.Format()
	env := editing.Env{Dir: s.dir, MaxBytes: 2 * int64(s.cfg.MaxOutput), MaxSeconds: maxEditSeconds, Step: step}
	if s.limits.MaxDuration > 0 {
		env.MaxSeconds = s.limits.MaxDuration.Seconds()
	}
	r.chain, err = editing.New(e.operations, editing.Format{
		SampleRateHz: format.SampleRateHz, Channels: format.Channels, Frames: float64(format.Frames), Shorter: format.Guessed,
	}, env)
	if err != nil {
		return nil, errors.Join(e.fault(err), r.Close())
	}
	r.out = audiofile.Output{
		Container:    audiofile.Container(cmp.Or(e.params.Container, string(audiofile.WAV))),
		Depth:        audiofile.Depth(cmp.Or(e.params.BitDepth, string(audiofile.Depth16))),
		SampleRateHz: r.chain.Output().SampleRateHz, Channels: r.chain.Output().Channels,
	}
	if err := r.out.Validate(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// fault returns the fault of an error of the operations.
func (e *editTask) fault(err error) error {
	var wrong *editing.OperationError
	switch {
	case errors.As(err, &wrong) && wrong.Index == len(e.params.Operations):
		return services.Invalidf("sample_rate", "%s", wrong.Err.Problem)
	case errors.As(err, &wrong):
		return services.Invalidf(operationField(wrong.Index, wrong.Err.Field), "%s", wrong.Err.Problem)
	case errors.Is(err, editing.ErrTooLarge):
		return services.Faultf(services.KindTooLarge, "the sound between two operations has more than %s, which is the limit",
			2*e.service.cfg.MaxOutput)
	case errors.Is(err, editing.ErrTemporary):
		return services.Unstored(err, services.KindInternal, "the sound between two operations could not be stored")
	}
	return err
}

// plan checks the size of the result and estimates the memory.
func (e *editTask) plan(r *running) error {
	format, out := r.reader.Format(), r.chain.Output()
	if !out.Shorter {
		if err := e.service.checkSize(r.out, int64(math.Ceil(out.Frames))); err != nil {
			return err
		}
	}
	e.bytes = decoderBytes + services.Bytes(r.chain.Bytes()) + services.Bytes(4*4*blockFrames*format.Channels)
	if format.Container == "ffmpeg" { // its memory is not measured
		e.bytes += ffmpegBytes
		return nil
	}
	e.sizes = []services.Size{
		{Name: "channels", Value: float64(format.Channels)}, {Name: "output_channels", Value: float64(out.Channels)},
		{Name: "operation_bytes", Value: float64(r.chain.Bytes())},
	}
	return nil
}

func (e *editTask) run(ctx context.Context, sink services.Sink) (_ services.TaskResult, err error) {
	clock, s := services.NewStageClock(ctx), e.service
	progress := &editProgress{ctx: ctx, sink: sink}
	r, err := e.open(progress.step)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	defer services.Occupy(ctx, codecBytes+services.Bytes(r.chain.Bytes()))()
	var written int64
	artifact, err := s.store(r.out, func(file *os.File) (err error) {
		written, err = s.edit(r, file, progress)
		return e.fault(err)
	})
	if err != nil {
		return services.TaskResult{}, err
	}
	clock.Book(services.StageOutput)
	sink.Progress(1, "done")
	return services.TaskResult{
		Audio: artifact,
		Value: &tasks.Edited{
			Source: soundFormat(r.reader.Format()),
			Output: tasks.SoundFormat{
				Container: string(r.out.Container), Encoding: r.out.Encoding(), SampleRateHz: r.out.SampleRateHz,
				Channels: r.out.Channels, DurationSeconds: float64(written) / float64(r.out.SampleRateHz),
			},
		},
		Stages:   clock.Times(),
		Warnings: r.reader.Warnings(),
	}, nil
}

// editProgress ends an edit with its context and reports its progress.
type editProgress struct {
	ctx      context.Context
	sink     services.Sink
	steps    int
	fraction float64
}

// step is called for each block of each operation, also after the recording has been read.
func (p *editProgress) step() error {
	if err := p.ctx.Err(); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	if p.steps++; p.steps%editYieldSteps == 0 {
		if err := services.Yield(p.ctx); err != nil {
			return fmt.Errorf("edit: %w", err)
		}
	}
	p.sink.Progress(p.fraction, "editing")
	return nil
}

// edit streams the recording through the operations to the file and returns the number
// of frames written.
func (s *Service) edit(r *running, file *os.File, progress *editProgress) (int64, error) {
	writer, err := audiofile.NewWriter(file, r.out)
	if err != nil {
		return 0, storeFault(err)
	}
	emit := func(block []float32) error {
		for _, v := range block {
			if v-v != 0 {
				return services.Invalidf("operations", "make the sound so loud that its samples are not numbers any more")
			}
		}
		if err := s.checkWritten(r.out, file, writer.Frames()+int64(len(block)/r.out.Channels)); err != nil {
			return err
		}
		return storeFault(writer.WriteFrames(block))
	}
	format := r.reader.Format()
	block := make([]float32, blockFrames*format.Channels)
	for read := int64(0); !r.chain.Full(); {
		if err := progress.step(); err != nil {
			return 0, err
		}
		frames, err := r.reader.ReadFrames(block)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return 0, fmt.Errorf("read audio: %w", err)
		}
		if err := r.chain.Process(block[:frames*format.Channels], emit); err != nil {
			return 0, err
		}
		if end {
			break
		}
		read += int64(frames)
		progress.fraction = min(1, float64(read)/float64(format.Frames))
	}
	if err := r.chain.Flush(emit); err != nil {
		return 0, err
	}
	if writer.Frames() == 0 {
		return 0, services.Invalidf("operations", "leave nothing of the recording")
	}
	return writer.Frames(), storeFault(writer.Close())
}
