package jobs

import (
	"errors"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// requestFields are the fields of a job's request; all others are the task's.
var requestFields = []string{
	"service", "task", "params", "priority", "deadline", "callback_url", "labels", "audio", "audio_id", "request", "Idempotency-Key", "Prefer",
}

// jobFields names fields as the client of a job wrote them: a task speaks of its
// file and of its parameters.
func jobFields(fields []services.FieldError, recording string) []services.FieldError {
	named := slices.Clone(fields)
	for i, field := range named {
		root, _, _ := strings.Cut(field.Field, ".")
		root, _, _ = strings.Cut(root, "[")
		switch {
		case root == "file":
			named[i].Field = recording
		case !slices.Contains(requestFields, root):
			named[i].Field = "params." + field.Field
		}
	}
	return named
}

// submitFault is jobFault for a submission, whose recording came as that field.
func submitFault(err error, recording string) error {
	var fault *services.Fault
	if errors.As(err, &fault) && len(fault.Fields) > 0 {
		named := *fault
		named.Fields = jobFields(fault.Fields, recording)
		err = &named
	}
	return jobFault(err)
}
