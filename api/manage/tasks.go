package manage

import (
	"context"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Tasks lists and cancels the tasks under way; the orchestrator implements it.
type Tasks interface {
	// Tasks returns the tasks that the viewer sees.
	Tasks(viewer services.Caller) []orchestrator.Activity
	// FindTask returns one of them, or a fault of KindNotFound.
	FindTask(viewer services.Caller, id string) (orchestrator.Activity, error)
	// CancelTask cancels one of them and does not wait.
	CancelTask(viewer services.Caller, id string) (orchestrator.Activity, error)
}

// Jobs cancels jobs; jobs.Manager implements it.
type Jobs interface {
	Cancel(ctx context.Context, viewer, id string) (jobs.Job, error)
}

// ListTasks implements gen.StrictServerInterface.
func (h *Handlers) ListTasks(ctx context.Context, _ gen.ListTasksRequestObject) (gen.ListTasksResponseObject, error) {
	list := gen.TaskList{Data: []gen.ActiveTask{}}
	for _, one := range h.Tasks.Tasks(web.CallerOf(ctx)) {
		list.Data = append(list.Data, taskView(one))
	}
	return gen.ListTasks200JSONResponse(list), nil
}

// CancelTask implements gen.StrictServerInterface. The task of a job is cancelled as the
// job, so that it is not tried again.
func (h *Handlers) CancelTask(ctx context.Context, request gen.CancelTaskRequestObject) (gen.CancelTaskResponseObject, error) {
	caller := web.CallerOf(ctx)
	one, err := h.Tasks.FindTask(caller, request.TaskId)
	if err != nil {
		return nil, err
	}
	if job := one.Task.Job; job != "" {
		if _, err := h.Jobs.Cancel(ctx, web.ViewerOf(ctx), job); err != nil {
			return nil, err
		}
		one.State = orchestrator.ActivityCancelled
		return gen.CancelTask200JSONResponse(taskView(one)), nil
	}
	if one, err = h.Tasks.CancelTask(caller, request.TaskId); err != nil {
		return nil, err
	}
	h.Log.Info("task cancelled", "task", one.Task.ID, "id", one.ID, "service", one.Task.Service, "by", caller.Key)
	return gen.CancelTask200JSONResponse(taskView(one)), nil
}

// taskView returns a task under way as the API shows it.
func taskView(one orchestrator.Activity) gen.ActiveTask {
	view := gen.ActiveTask{
		Id: one.ID, State: gen.ActiveTaskState(one.State), Service: one.Task.Service, Task: one.Task.Name, Model: web.Unless(one.Task.Model, ""),
		Priority: gen.ActiveTaskPriority(one.Task.Priority.String()), Caller: web.Unless(one.Task.Caller.Key, ""), Since: one.Since,
		Progress: one.Fraction, Stage: web.Unless(one.Stage, ""),
	}
	switch {
	case one.Canary:
		view.HealthCheck = &one.Canary
	case one.Task.Job != "":
		view.JobId = &one.Task.Job
	default:
		view.RequestId = web.Unless(one.Task.ID, "")
	}
	if !one.Started.IsZero() {
		view.Started = &one.Started
		view.Lease = &gen.TaskLease{Bytes: int64(one.Bytes), RunSlot: one.Slot}
	}
	return view
}
