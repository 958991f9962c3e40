package audioprocessor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

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
	// services.Yield, a few milliseconds of work.
	editYieldSteps = 16
)

// editTask is an Edit task.
type editTask struct {
	service    *Service
	params     tasks.EditParams
	operations []editing.Operation
	// resample is the index of the operation that the parameter sample_rate or the container
	// adds; -1 if there is none.
	resample int
	audio    services.AudioSource
	caller   services.Caller
	bytes    services.Bytes
	sizes    []services.Size
}

func (s *Service) prepareEdit(ctx context.Context, task services.Task) (*editTask, error) {
	e := &editTask{service: s, audio: task.Audio, caller: task.Caller, resample: -1}
	if err := tasks.DecodeParams(task.Params, &e.params); err != nil {
		return nil, err
	}
	if err := e.parse(); err != nil {
		return nil, err
	}
	running, err := e.open(ctx, nil)
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
		e.resampleTo(e.params.SampleRateHz)
	}
	return nil
}

// resampleTo adds an operation to the end, before one that splits the sound.
func (e *editTask) resampleTo(sampleRateHz int) {
	e.resample = len(e.operations)
	if editing.Splits(e.operations) {
		e.resample--
	}
	e.operations = slices.Insert(e.operations, e.resample, editing.Resample(sampleRateHz))
}

func operationField(i int, field string) string { return fmt.Sprintf("operations[%d].%s", i, field) }

// running is an edit under way: the open recording, the operations and the planned output.
type running struct {
	file   io.Closer
	reader *audiofile.Reader
	chain  *editing.Chain
	out    audiofile.Output
	// cut is called where the sound is split.
	cut func(from, to int64) error
	// warnings are those of the recordings that operations name.
	warnings []services.Warning
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
func (e *editTask) open(ctx context.Context, step func() error) (*running, error) {
	s := e.service
	file, reader, err := s.openAudio(e.audio, e.params.Reading)
	if err != nil {
		return nil, err
	}
	r := &running{file: file, reader: reader}
	env := editing.Env{
		Dir: s.dir, MaxBytes: 2 * int64(s.cfg.MaxOutput), MaxSeconds: maxEditSeconds, Step: step, Open: e.opener(ctx, r),
		Cut: func(from, to int64) error { return r.cut(from, to) },
	}
	if s.limits.MaxDuration > 0 {
		env.MaxSeconds = s.limits.MaxDuration.Seconds()
	}
	r.chain, err = editing.New(e.operations, editingFormat(reader.Format()), env)
	if err != nil {
		return nil, errors.Join(e.fault(err), r.Close())
	}
	r.out = audiofile.NewOutput(e.params.Container, e.params.BitDepth, s.limits)
	r.out.SampleRateHz, r.out.Channels = r.chain.Output().SampleRateHz, r.chain.Output().Channels
	if rate := r.out.Container.NearestRate(r.out.SampleRateHz); rate != r.out.SampleRateHz && e.resample < 0 {
		e.resampleTo(rate)
		if err := r.Close(); err != nil {
			return nil, services.Unreadable(err)
		}
		return e.open(ctx, step)
	}
	if err := r.out.Validate(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// fault returns the fault of an error of the operations.
func (e *editTask) fault(err error) error {
	var wrong *editing.OperationError
	var recording *editing.RecordingError
	switch {
	case errors.As(err, &wrong) && wrong.Index == e.resample:
		return services.Invalidf("sample_rate", "%s", wrong.Err.Problem)
	case errors.As(err, &wrong):
		i := wrong.Index
		if e.resample >= 0 && i > e.resample {
			i--
		}
		return services.Invalidf(operationField(i, wrong.Err.Field), "%s", wrong.Err.Problem)
	case errors.As(err, &recording):
		return recordingFault(recording)
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
	if r.out.Container.NeedsFFmpeg() {
		e.bytes += ffmpegBytes
	}
	if format.Container == "ffmpeg" {
		e.bytes += ffmpegBytes
	}
	if format.Container == "ffmpeg" || r.out.Container.NeedsFFmpeg() { // whose memory is not measured
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
	r, err := e.open(ctx, progress.step)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	defer services.Occupy(ctx, codecBytes+services.Bytes(r.chain.Bytes()))()
	made := &parts{ctx: ctx, service: s, out: r.out}
	if err := s.edit(r, made, progress); err != nil {
		return services.TaskResult{}, errors.Join(e.fault(err), made.discard())
	}
	clock.Book(services.StageOutput)
	sink.Progress(1, "done")
	return services.TaskResult{
		Audio: made.first(),
		Value: &tasks.Edited{
			Source: soundFormat(r.reader.Format()),
			Output: tasks.SoundFormat{
				Container: string(r.out.Container), Encoding: r.out.Encoding(), SampleRateHz: r.out.SampleRateHz,
				Channels: r.out.Channels, DurationSeconds: float64(made.frames) / float64(r.out.SampleRateHz),
			},
			Segments: made.segments,
		},
		Stages:   clock.Times(),
		Warnings: append(r.reader.Warnings(), r.warnings...),
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

// edit streams the recording through the operations to the files.
func (s *Service) edit(r *running, made *parts, progress *editProgress) error {
	r.cut = made.cut
	format := r.reader.Format()
	block := make([]float32, blockFrames*format.Channels)
	for read := int64(0); !r.chain.Full(); {
		if err := progress.step(); err != nil {
			return err
		}
		frames, err := r.reader.ReadFrames(block)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return fmt.Errorf("read audio: %w", err)
		}
		if err := r.chain.Process(block[:frames*format.Channels], made.write); err != nil {
			return err
		}
		if end {
			break
		}
		read += int64(frames)
		progress.fraction = min(1, float64(read)/float64(format.Frames))
	}
	if err := r.chain.Flush(made.write); err != nil {
		return err
	}
	if made.frames == 0 {
		return services.Invalidf("operations", "leave nothing of the recording")
	}
	return made.end()
}
