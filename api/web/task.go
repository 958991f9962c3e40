package web

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Work describes the task of a request.
type Work struct {
	// Service and Task name the service and its task; Model is empty for the default model.
	Service, Task, Model string
	// Params are encoded as JSON, unless they are json.RawMessage.
	Params any
	// Audio is nil if the task needs none.
	Audio services.AudioSource
}

// NewTask returns the task of a request, made by its caller.
func NewTask[P ~string](ctx context.Context, work Work, priority *P) (services.Task, error) {
	params, err := json.Marshal(work.Params)
	if err != nil {
		return services.Task{}, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: RequestID(ctx), Service: work.Service, Name: work.Task, Model: work.Model, Params: params, Audio: work.Audio, Caller: CallerOf(ctx),
	}
	task.Priority, err = services.ParsePriority(string(Value(priority)))
	return task, err
}

// ResultOf returns the value of a result as the type of its task.
func ResultOf[T any](result services.TaskResult) (T, error) {
	value, ok := result.Value.(T)
	if !ok {
		return value, services.Internal(fmt.Errorf("the result is a %T", result.Value), "the answer could not be encoded")
	}
	return value, nil
}
