package audiofile

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// report collects the warnings about one file. Each code is there at most
// once, with its first message.
type report struct {
	strict   bool
	warnings []services.Warning
}

// truncated notes that the file breaks off, and returns a fault instead where
// such files are refused.
func (r *report) truncated(format string, args ...any) error {
	message := "is cut short: " + fmt.Sprintf(format, args...)
	if r.strict {
		return services.Invalidf(field, "%s; upload the whole file", message)
	}
	r.add(services.WarnTruncated, message+"; the sound before that was used")
	return nil
}

// trailing notes bytes behind the sound that were not decoded.
func (r *report) trailing(format string, args ...any) {
	r.add(services.WarnTrailingData, fmt.Sprintf(format, args...))
}

// add adds a warning. The message completes the sentence "the recording ...".
func (r *report) add(code services.WarningCode, message string) {
	r.warnings = services.AddWarning(r.warnings, services.Warning{Code: code, Field: field, Message: "the recording " + message})
}
