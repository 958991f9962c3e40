package audioprocessor

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// runner is the part of a task's work that differs between the tasks.
type runner interface {
	run(ctx context.Context, sink services.Sink) (services.TaskResult, error)
}

// work is a task with decoded parameters.
type work struct {
	service *Service
	runner  runner
	bytes   services.Bytes
	sizes   []services.Size
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	return services.Prepared(s.prepare(ctx, task))
}

// prepare validates the parameters and the recording's header.
func (s *Service) prepare(ctx context.Context, task services.Task) (*work, error) {
	if task.Model != "" {
		return nil, services.Invalidf("model", "must be left out: service %s has no models, got %q", Name, task.Model)
	}
	switch task.Name {
	case tasks.Convert:
		c, err := s.prepareConversion(task)
		if err != nil {
			return nil, err
		}
		return &work{service: s, runner: c, bytes: c.bytes, sizes: c.sizes}, nil
	case tasks.Analyze:
		a, err := s.prepareAnalysis(task)
		if err != nil {
			return nil, err
		}
		return &work{service: s, runner: a, bytes: a.bytes, sizes: a.sizes}, nil
	case tasks.Edit:
		e, err := s.prepareEdit(ctx, task)
		if err != nil {
			return nil, err
		}
		return &work{service: s, runner: e, bytes: e.bytes, sizes: e.sizes}, nil
	case tasks.Draw:
		d, err := s.prepareDrawing(task)
		if err != nil {
			return nil, err
		}
		return &work{service: s, runner: d, bytes: d.bytes, sizes: d.sizes}, nil
	case tasks.ComputePeaks:
		p, err := s.preparePeaks(task)
		if err != nil {
			return nil, err
		}
		return &work{service: s, runner: p, bytes: p.bytes, sizes: p.sizes}, nil
	}
	return nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s, %s, %s, %s and %s", Name, task.Name,
		tasks.Convert, tasks.Analyze, tasks.Edit, tasks.Draw, tasks.ComputePeaks)
}

// Model implements services.Work.
func (w *work) Model() string { return "" }

// Bytes implements services.Work.
func (w *work) Bytes(context.Context) (services.Bytes, error) { return w.bytes, nil }

// Plan implements services.Planned. The memory of an external decoder is not measured.
func (w *work) Plan() services.Plan {
	if len(w.sizes) == 0 {
		return services.Plan{}
	}
	return services.Plan{Runs: w.bytes, Sizes: w.sizes}
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	s := w.service
	s.running.begin()
	defer s.running.end()
	started := time.Now()
	result, err := w.runner.run(ctx, sink)
	s.recorder.Record(err, time.Since(started))
	return result, err
}

// openAudio opens the recording of a task.
func (s *Service) openAudio(audio services.AudioSource, reading services.Reading) (io.Closer, *audiofile.Reader, error) {
	if audio == nil {
		return nil, nil, services.Invalidf("file", "is missing; send the audio as form field file")
	}
	file, err := audio.Open()
	if err != nil {
		return nil, nil, services.Unreadable(err)
	}
	reader, err := audiofile.Open(file, audio.Size(), s.limits.Of(reading))
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, reader, nil
}

// conversion is a Convert task.
type conversion struct {
	service *Service
	params  tasks.ConvertParams
	audio   services.AudioSource
	bytes   services.Bytes
	sizes   []services.Size
}

func (s *Service) prepareConversion(task services.Task) (*conversion, error) {
	w := &conversion{service: s, audio: task.Audio}
	if err := tasks.DecodeParams(task.Params, &w.params); err != nil {
		return nil, err
	}
	j, err := w.open()
	if err != nil {
		return nil, err
	}
	w.bytes, w.sizes = j.bytes(), j.sizes()
	if err := j.Close(); err != nil {
		return nil, services.Unreadable(err)
	}
	return w, nil
}

func (w *conversion) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.convert(ctx, sink)
}

// job is one conversion: the open recording and the planned output.
type job struct {
	file      io.Closer
	reader    *audiofile.Reader
	converter *dsp.Converter
	out       audiofile.Output
}

// open reads the recording's header and determines the output.
func (w *conversion) open() (*job, error) {
	file, reader, err := w.service.openAudio(w.audio, w.params.Reading)
	if err != nil {
		return nil, err
	}
	j := &job{file: file, reader: reader}
	if err := w.service.plan(j, w.params); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}
