package audiofile

import (
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// WarningCode names what is unusual about a file that was decoded all the same.
type WarningCode string

// The closed list of warnings.
const (
	// WarnTruncated is a file that breaks off: what is there was decoded.
	WarnTruncated WarningCode = "truncated"
	// WarnTrailingData are bytes behind the sound that were not decoded, because
	// the container declares them to be no sound, or because nothing known begins
	// there.
	WarnTrailingData WarningCode = "trailing_data"
)

// WarningCodes lists every WarningCode.
func WarningCodes() []WarningCode { return []WarningCode{WarnTruncated, WarnTrailingData} }

// Warning is something that the sender of a file should know. The message is for
// people and completes the sentence "file ...".
type Warning struct {
	Code    WarningCode
	Message string
}

// report collects the warnings about one file. Each code is there at most
// once, with its first message.
type report struct {
	strict   bool
	warnings []Warning
}

// truncated notes that the file breaks off, and returns a fault instead where
// such files are refused.
func (r *report) truncated(format string, args ...any) error {
	message := "is cut short: " + fmt.Sprintf(format, args...)
	if r.strict {
		return services.Invalidf(field, "%s; upload the whole file", message)
	}
	r.add(WarnTruncated, message)
	return nil
}

// trailing notes bytes behind the sound that were not decoded.
func (r *report) trailing(format string, args ...any) {
	r.add(WarnTrailingData, fmt.Sprintf(format, args...))
}

func (r *report) add(code WarningCode, message string) {
	if !slices.ContainsFunc(r.warnings, func(w Warning) bool { return w.Code == code }) {
		r.warnings = append(r.warnings, Warning{code, message})
	}
}
