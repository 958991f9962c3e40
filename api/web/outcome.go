package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// Headers that describe how a task was run.
const (
	modelHeader   = "Grym-Model"
	warningHeader = "Grym-Warning"
)

// Models finds models by name; orchestrator.Resolver implements it.
type Models interface {
	// Resolve returns the service and the model for a task and a model's name.
	Resolve(task, name string) (orchestrator.Resolution, error)
	// Model returns the model that a task will run on, as far as that is known in advance.
	Model(task services.Task) (string, error)
	// Aliases returns the other names of models.
	Aliases() []orchestrator.Alias
}

// Run executes a task and sets the headers of its response. warnings are those of the
// request, which precede the task's.
func (b *Base) Run(ctx context.Context, task services.Task, warnings []services.Warning) (services.TaskResult, error) {
	result, err := b.Executor.Execute(ctx, task, services.DiscardSink{})
	if err != nil {
		return result, err
	}
	result.Warnings = JoinWarnings(warnings, result.Warnings)
	WriteOutcome(ExchangeOf(ctx).W.Header(), result.Model, result.Warnings)
	return result, nil
}

// Announce sets the headers of a stream whose task has not started, and returns the model
// that it will run on. Errors are left to the task itself.
func (b *Base) Announce(header http.Header, task services.Task, warnings []services.Warning) string {
	model, err := b.Models.Model(task)
	if err != nil {
		return ""
	}
	WriteOutcome(header, model, warnings)
	return model
}

// JoinWarnings appends the warnings of a task to those of its request.
func JoinWarnings(request, task []services.Warning) []services.Warning {
	all := slices.Clone(request)
	for _, w := range task {
		all = services.AddWarning(all, w)
	}
	return all
}

// WriteOutcome sets the headers that describe how a task was run, and omits empty ones.
func WriteOutcome(header http.Header, model string, warnings []services.Warning) {
	if model != "" {
		header.Set(modelHeader, model)
	}
	if len(warnings) > 0 {
		header.Set(warningHeader, warningTokens(warnings))
	}
}

// WithoutOutcome removes the headers of WriteOutcome, for an error response.
func WithoutOutcome(header http.Header) {
	header.Del(modelHeader)
	header.Del(warningHeader)
}

// warningTokens returns the distinct codes of warnings as a list of tokens (RFC 9651).
func warningTokens(warnings []services.Warning) string {
	var codes []string
	for _, w := range warnings {
		if !slices.Contains(codes, string(w.Code)) {
			codes = append(codes, string(w.Code))
		}
	}
	return strings.Join(codes, ", ")
}

// WarningsView returns warnings as the API shows them; nil if there are none.
func WarningsView(warnings []services.Warning) (list gen.Warnings) {
	for _, w := range warnings {
		list = append(list, gen.Warning{Code: gen.WarningCode(w.Code), Message: w.Message, Field: Unless(w.Field, "")})
	}
	return list
}

// maxUnknown limits the unknown fields of a form that are reported by name.
const maxUnknown = 16

// ignore reports an unknown form field.
func (u *Upload) ignore(field string) {
	if len(u.Warnings) < maxUnknown {
		u.Warnings = services.AddWarning(u.Warnings, services.Warning{
			Code: services.WarnUnknownField, Field: fmt.Sprintf("%.64s", field), Message: fmt.Sprintf("unknown field %.64q was ignored", field),
		})
	}
}
