package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// Form parses the fields of a form and collects errors. It checks the types of values; the
// service knows which values are allowed.
type Form struct {
	services.Complaints
	fields map[string][]string
	names  map[string]string
}

// NewForm returns a parser of the fields of an upload.
func NewForm(u *Upload) *Form { return &Form{fields: u.Fields, names: u.names} }

// Name returns a field's name as the client sent it, such as x[] for x.
func (f *Form) Name(field string) string { return cmp.Or(f.names[field], field) }

// Complain adds an error under the name that the client sent.
func (f *Form) Complain(field, format string, args ...any) {
	f.Complaints.Complain(f.Name(field), format, args...)
}

// List returns the values of a field that can be repeated. A value may itself be a list: of
// strings in JSON, or separated by commas.
func (f *Form) List(field string) []string {
	var list []string
	for _, value := range f.fields[field] {
		var several []string
		if json.Unmarshal([]byte(value), &several) != nil {
			several = strings.Split(value, ",")
		}
		for _, one := range several {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
	}
	return list
}

// Text returns a field's value without surrounding space, or "" if it is missing.
func (f *Form) Text(field string) string {
	values := f.fields[field]
	if distinct := slices.Compact(slices.Clone(values)); len(distinct) > 1 {
		f.Complain(field, "must not be repeated, got %d values", len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

// Number returns a finite number, or nil if the field is missing.
func (f *Form) Number(field string) *float64 {
	text := f.Text(field)
	if text == "" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		f.Complain(field, "must be a number, got %.40q", text)
	}
	return &v
}

// Reading returns the fields about the part of the recording that is used.
func (f *Form) Reading() services.Reading {
	reading := services.Reading{Strict: Value(f.Bool("strict"))}
	if start := f.Number("start"); start != nil {
		if reading.Start = *start; *start < 0 {
			f.Complain("start", "must be 0 or above, got %v", *start)
		}
	}
	if end := f.Number("end"); end != nil {
		if reading.End = *end; *end <= 0 {
			f.Complain("end", "must be above 0, got %v", *end)
		}
	}
	return reading
}

// Whole returns a whole number from least to most, or nil if the field is missing;
// math.MaxInt64 for most means no upper limit.
func (f *Form) Whole(field string, least, most int64) *int64 {
	text := f.Text(field)
	if text == "" {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && v >= least && v <= most:
	case most < math.MaxInt64:
		f.Complain(field, "must be a whole number from %d to %d, got %.40q", least, most, text)
	default:
		f.Complain(field, "must be a whole number, %d or above, got %.40q", least, text)
	}
	return &v
}

// Bool returns a boolean, or nil if the field is missing.
func (f *Form) Bool(field string) *bool {
	text := f.Text(field)
	if text == "" {
		return nil
	}
	v, err := strconv.ParseBool(text)
	switch strings.ToLower(text) {
	case "yes", "on":
		return new(true)
	case "no", "off":
		return new(false)
	}
	if err != nil {
		f.Complain(field, "must be true or false, got %.40q", text)
	}
	return &v
}

// Join returns one error for an upload and for its fields; an error that names no field
// takes precedence.
func Join(received error, form *services.Fault) error {
	if form == nil {
		return received
	}
	var fault *services.Fault
	switch {
	case received == nil:
		return form
	case errors.As(received, &fault) && len(fault.Fields) > 0:
		joined := *fault
		joined.Fields = append(slices.Clone(fault.Fields), form.Fields...)
		return &joined
	}
	return received
}

// Rename replaces the field names in a fault by those that the client used.
func Rename(err error, names map[string]string) error {
	var fault *services.Fault
	if !errors.As(err, &fault) || len(fault.Fields) == 0 {
		return err
	}
	renamed := *fault
	renamed.Fields = slices.Clone(fault.Fields)
	for i, field := range renamed.Fields {
		if name, ok := names[strings.SplitN(field.Field, "[", 2)[0]]; ok {
			renamed.Fields[i].Field = name
		}
	}
	return &renamed
}
