package api

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

// Headers that say how a task was done.
const (
	modelHeader   = "Grym-Model"
	warningHeader = "Grym-Warning"
)

// Models finds models by their names; orchestrator.Resolver implements it.
type Models interface {
	// Resolve returns the service and the model of a task by the model's name.
	Resolve(task, name string) (orchestrator.Resolution, error)
	// Model returns the model that a task will run on, as far as that is known before.
	Model(task services.Task) (string, error)
	// Aliases returns the further names of models.
	Aliases() []orchestrator.Alias
}

// run executes a task and sets the headers of its answer. The warnings are those of the
// request, which come before the task's.
func (h *handlers) run(ctx context.Context, task services.Task, warnings []services.Warning) (services.TaskResult, error) {
	result, err := h.Executor.Execute(ctx, task, services.DiscardSink{})
	if err != nil {
		return result, err
	}
	result.Warnings = joinWarnings(warnings, result.Warnings)
	writeOutcome(exchangeOf(ctx).w.Header(), result.Model, result.Warnings)
	return result, nil
}

// announce sets the headers of a stream, whose task has not begun, and returns the model
// that it will run on. An error is left to the task itself.
func (h *handlers) announce(header http.Header, task services.Task, warnings []services.Warning) string {
	model, err := h.Models.Model(task)
	if err != nil {
		return ""
	}
	writeOutcome(header, model, warnings)
	return model
}

// joinWarnings adds the warnings of a task to those of its request.
func joinWarnings(request, task []services.Warning) []services.Warning {
	all := slices.Clone(request)
	for _, w := range task {
		all = services.AddWarning(all, w)
	}
	return all
}

// writeOutcome sets the headers that say how a task was done; none for what is empty.
func writeOutcome(header http.Header, model string, warnings []services.Warning) {
	if model != "" {
		header.Set(modelHeader, model)
	}
	if len(warnings) > 0 {
		header.Set(warningHeader, warningTokens(warnings))
	}
}

// withoutOutcome takes the headers of writeOutcome back, for an error.
func withoutOutcome(header http.Header) {
	header.Del(modelHeader)
	header.Del(warningHeader)
}

// warningTokens writes the codes of warnings as a list of tokens (RFC 9651), each once.
func warningTokens(warnings []services.Warning) string {
	var codes []string
	for _, w := range warnings {
		if !slices.Contains(codes, string(w.Code)) {
			codes = append(codes, string(w.Code))
		}
	}
	return strings.Join(codes, ", ")
}

// warningsView shows warnings to a client; nil for none.
func warningsView(warnings []services.Warning) (list gen.Warnings) {
	for _, w := range warnings {
		list = append(list, gen.Warning{Code: gen.WarningCode(w.Code), Message: w.Message, Field: unless(w.Field, "")})
	}
	return list
}

// maxUnknown bounds the unknown fields of one form that are reported each by its name.
const maxUnknown = 16

// ignore reports an unknown field of a form.
func (u *upload) ignore(field string) {
	if len(u.warnings) < maxUnknown {
		u.warnings = services.AddWarning(u.warnings, services.Warning{
			Code: services.WarnUnknownField, Field: fmt.Sprintf("%.64s", field), Message: fmt.Sprintf("the field %.64q is not known and was ignored", field),
		})
	}
}
