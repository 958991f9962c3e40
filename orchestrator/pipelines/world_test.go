package pipelines

import (
	"context"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// world has services with the tasks of package tasks, of which all but generate need a
// recording; the model of every task is "m".
type world struct {
	// run runs a task.
	run func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

var listed = map[string][]string{
	"sounds": {tasks.Transcribe, tasks.Caption, tasks.Ask, tasks.Analyze, tasks.Edit, tasks.Embed}, "makers": {tasks.Generate},
	ServiceName: {TaskRun},
}

func (w *world) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	return w.run(ctx, task, sink)
}

func (w *world) Check(_ context.Context, task services.Task) error {
	compiled, err := compiledSchema(tasks.Kind(task.Name).ParamsSchema)
	if err != nil {
		return err
	}
	if err := compiled.Validate(task.Params); err != nil {
		return err
	}
	if task.Name != tasks.Generate && task.Audio == nil {
		return services.Invalidf("file", "is missing")
	}
	return nil
}

func (w *world) Bind(task services.Task) (services.Task, error) {
	for _, name := range []string{"sounds", "makers", ServiceName} {
		if task.Service == "" && slices.Contains(listed[name], task.Name) {
			task.Service = name
		}
	}
	switch {
	case task.Service == "":
		return task, services.Invalidf("task", "must be transcribe or another, got %q", task.Name)
	case listed[task.Service] == nil:
		return task, services.Faultf(services.KindNotFound, "service %q does not exist", task.Service)
	case task.Model != "" && task.Model != "m":
		return task, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "model", Problem: "does not exist"}}}
	}
	return task, nil
}

func (w *world) Describe(name string) (services.Description, error) {
	d := services.Description{Name: name}
	for _, task := range listed[name] {
		d.Tasks = append(d.Tasks, tasks.Kind(task))
	}
	if d.Tasks == nil {
		return d, fmt.Errorf("no service %s", name)
	}
	if name == ServiceName {
		d.Tasks = []services.TaskKind{{Name: TaskRun}}
	}
	return d, nil
}
