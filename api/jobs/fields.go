package jobs

import (
	"errors"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// requestFields are the fields of a job's request; all others belong to the task.
var requestFields = []string{
	"service", "task", "params", "priority", "deadline", "callback_url", "labels", "audio", "audio_id", "request", "Idempotency-Key", "Prefer",
}

// jobFields replaces a task's field names, such as file, by those of the job's request.
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

// submitFault is jobFault for a submission with the recording in the given field.
func submitFault(err error, recording string) error {
	var fault *services.Fault
	if errors.As(err, &fault) && len(fault.Fields) > 0 {
		named := *fault
		named.Fields = jobFields(fault.Fields, recording)
		err = &named
	}
	return jobFault(err)
}
