package editing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Operation is one step of an edit.
type Operation interface {
	// check returns a *ParamError for the first invalid parameter.
	check() error
	// build returns the stage for sound of a format.
	build(in Format, env Env) (built, error)
}

// built is a stage with the format of its output and a bound for its memory.
type built struct {
	stage stage
	out   Format
	bytes int64
}

// ParamError is an invalid parameter of an operation. Problem completes the sentence
// "<field> ...".
type ParamError struct{ Field, Problem string }

// Error implements error.
func (e *ParamError) Error() string { return e.Field + " " + e.Problem }

func invalid(field, format string, args ...any) error {
	return &ParamError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// named has the field that selects the operation.
type named struct {
	Op string `json:"op"`
}

// makers return each operation with its defaults.
var makers = map[string]func() Operation{
	"trim":              func() Operation { return new(trim) },
	"pad":               func() Operation { return new(pad) },
	"gain":              func() Operation { return new(gain) },
	"fade":              func() Operation { return &fade{Curve: curveLinear} },
	"high_pass":         func() Operation { return &pass{Order: defaultOrder, high: true} },
	"low_pass":          func() Operation { return &pass{Order: defaultOrder} },
	"band_pass":         func() Operation { return &bandPass{Order: defaultOrder} },
	"low_shelf":         func() Operation { return &shelf{Q: math.Sqrt2 / 2} },
	"high_shelf":        func() Operation { return &shelf{Q: math.Sqrt2 / 2, high: true} },
	"resample":          func() Operation { return new(resample) },
	"remix":             func() Operation { return new(remix) },
	"speed":             func() Operation { return new(speed) },
	"reverse":           func() Operation { return new(reverse) },
	"gate":              func() Operation { return defaultGate() },
	"limiter":           func() Operation { return defaultLimiter() },
	"normalize":         func() Operation { return new(normalize) },
	"remove_silence":    func() Operation { return defaultRemoveSilence() },
	"time_stretch":      func() Operation { return new(timeStretch) },
	"pitch_shift":       func() Operation { return new(pitchShift) },
	"concatenate":       func() Operation { return new(concatenate) },
	"mix":               func() Operation { return new(mix) },
	"crossfade":         func() Operation { return defaultCrossfade() },
	"split_at_silences": func() Operation { return defaultSplit() },
}

// Names returns the names of all operations in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// Parse decodes an operation. Unknown fields and values out of range are a *ParamError.
func Parse(raw []byte) (Operation, error) {
	var head named
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, invalid("op", "must be one of %s", strings.Join(Names(), ", "))
	}
	maker, ok := makers[head.Op]
	if !ok {
		return nil, invalid("op", "must be one of %s, got %.40q", strings.Join(Names(), ", "), head.Op)
	}
	operation := maker()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(operation)
	var kind *json.UnmarshalTypeError
	switch unknown, found := strings.CutPrefix(fmt.Sprint(err), "json: unknown field "); {
	case err == nil:
		return operation, operation.check()
	case found:
		return nil, invalid(strings.Trim(unknown, `"`), "is not a parameter of %s", head.Op)
	case errors.As(err, &kind):
		return nil, invalid(kind.Field, "must not be a %s", kind.Value)
	}
	return nil, invalid("op", "cannot be read: %v", err)
}

// within returns an error if a value is out of its range.
func within(field string, value, least, most float64) error {
	if value >= least && value <= most { // not for a value that is not a number
		return nil
	}
	return invalid(field, "must be from %g to %g, got %g", least, most, value)
}

// required is within for a parameter without a default.
func required(field string, value *float64, least, most float64) error {
	if value == nil {
		return invalid(field, "is missing")
	}
	return within(field, *value, least, most)
}

// requiredInt is required for a whole number.
func requiredInt(field string, value *int, least, most float64) error {
	if value == nil {
		return invalid(field, "is missing")
	}
	return within(field, float64(*value), least, most)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// framesOf returns the number of frames of a time.
func framesOf(seconds float64, rateHz int) int64 { return int64(math.Round(seconds * float64(rateHz))) }

// amplitude returns the factor of a level in decibels.
func amplitude(db float64) float64 { return math.Pow(10, db/20) }
