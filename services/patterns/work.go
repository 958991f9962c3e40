package patterns

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters. It only runs tasks of other services, and holds
// no lease itself.
type work struct {
	service *Service
	do      func(ctx context.Context, sink services.Sink) (any, []services.Warning, error)
	// repeated is set if an earlier task with the same key has done the work.
	repeated bool
}

var _ services.Coordinator = (*work)(nil)

// Coordinates implements services.Coordinator.
func (w *work) Coordinates() {}

// Model implements services.Work. The models are those of the tasks that it runs.
func (w *work) Model() string { return "" }

// Bytes implements services.Work. It is what a piece of sound and its vectors take; the work
// runs without a lease.
func (w *work) Bytes(context.Context) (services.Bytes, error) { return bytesOfWork, nil }

const bytesOfWork = 32 * services.MiB

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (result services.TaskResult, err error) {
	s := w.service
	s.running.begin()
	defer s.running.end()
	started := time.Now()
	clock := services.NewStageClock(ctx)
	if err = ctx.Err(); err == nil {
		result.Value, result.Warnings, err = w.do(ctx, sink)
	}
	s.recorder.Record(err, time.Since(started))
	if err != nil {
		return services.TaskResult{}, err
	}
	sink.Progress(1, "done")
	clock.Book(services.StageInfer)
	result.Stages, result.Repeated = clock.Times(), w.repeated
	return result, nil
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	prepare := map[string]func(context.Context, services.Task) (*work, error){
		tasks.Teach: s.prepareTeach, tasks.Detect: s.prepareDetect, tasks.Search: s.prepareSearch, tasks.Correct: s.prepareCorrect,
		tasks.Reembed: s.prepareReembed, tasks.ImportPatterns: s.prepareImport,
	}[task.Name]
	if prepare == nil {
		var names []string
		for _, kind := range s.Describe().Tasks {
			names = append(names, kind.Name)
		}
		return nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, strings.Join(names, ", "))
	}
	work, err := prepare(ctx, task)
	if err != nil {
		return nil, err
	}
	work.service = s
	return work, nil
}

// withoutModel returns a fault if a task names a model.
func withoutModel(task services.Task) error {
	if task.Model != "" {
		return services.Invalidf("model", "must be left out: each pattern has its own, got %q", task.Model)
	}
	return nil
}

// withoutAudio returns a fault if a task has a recording.
func withoutAudio(task services.Task) error {
	if task.Audio != nil {
		return services.Invalidf("file", "must be left out: this task takes stored recordings")
	}
	return nil
}

// checkModel returns a fault if there is no model of the name that a task gives.
func (s *Service) checkModel(task services.Task) error {
	if task.Model == "" || s.deps.Catalog == nil {
		return nil
	}
	_, err := s.deps.Catalog.Find(task.Model, "")
	return err
}

// embedderOf returns what embeds sound with a model on behalf of a task.
func (s *Service) embedderOf(task services.Task, model string) *embedder {
	return &embedder{execute: s.deps.Execute, task: task, model: model}
}

// recording is a stored recording that is held for a task.
type recording struct {
	id      string
	source  services.AudioSource
	release func()
}

// hold returns the stored recordings with the given ids. The caller releases them. field
// names the field of the i-th id.
func (s *Service) hold(ctx context.Context, caller services.Caller, ids []string, field func(i int) string) ([]recording, error) {
	var list []recording
	var bad services.Complaints
	for i, id := range ids {
		source, release, err := s.deps.Recordings.StoredAudio(ctx, caller, id)
		switch {
		case services.KindOf(err) == services.KindNotFound:
			bad.Complain(field(i), "names no stored recording, got %q", id)
		case err != nil:
			releaseAll(list)
			return nil, err
		default:
			list = append(list, recording{id, source, release})
		}
	}
	if fault := bad.Fault(); fault != nil {
		releaseAll(list)
		fault.Kind = services.KindNotFound
		return nil, fault
	}
	return list, nil
}

func releaseAll(list []recording) {
	for _, one := range list {
		one.release()
	}
}

// numbered returns the name of a field of the i-th element of a list.
func numbered(list, field string) func(i int) string {
	return func(i int) string {
		if field == "" {
			return fmt.Sprintf("%s[%d]", list, i)
		}
		return fmt.Sprintf("%s[%d].%s", list, i, field)
	}
}

// steps reports the progress of work of equal steps.
type steps struct {
	sink       services.Sink
	done, all  int
	from, part float64
}

func (p *steps) next(stage string) {
	p.done++
	part := p.part
	if part == 0 {
		part = 1
	}
	p.sink.Progress(min(0.99, p.from+part*float64(p.done)/float64(max(1, p.all))), stage)
}
