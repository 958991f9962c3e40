package web

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Work says what a request asks of a service.
type Work struct {
	// Service and Task say who does what; Model is empty for the service's default.
	Service, Task, Model string
	// Params are encoded as JSON, unless they are json.RawMessage.
	Params any
	// Audio is nil where the task takes none.
	Audio services.AudioSource
}

// NewTask returns the task of a request, on behalf of its caller.
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

// ResultOf returns the value of a result as the type that its task makes.
func ResultOf[T any](result services.TaskResult) (T, error) {
	value, ok := result.Value.(T)
	if !ok {
		return value, services.Internal(fmt.Errorf("the result is a %T", result.Value), "the answer could not be encoded")
	}
	return value, nil
}
