package pipelines

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Limits of a definition.
const (
	// MaxBytes bounds the JSON of a definition.
	MaxBytes = 64 * services.KiB
	// MaxSteps bounds the steps of a pipeline, MaxItems the items of one foreach.
	MaxSteps = 64
	MaxItems = 1000
	// MaxParallel bounds how many items of a foreach run at once; DefaultParallel do where
	// the step does not say.
	MaxParallel     = 64
	DefaultParallel = 4
	// MaxAttempts bounds the attempts of a step; DefaultAttempts are made where the step
	// does not say.
	MaxAttempts     = 20
	DefaultAttempts = 3
)

// What a failed step means for the run.
const (
	// OnErrorFail ends the run.
	OnErrorFail = "fail"
	// OnErrorSkip counts the step as skipped, and leaves a failed item out of its results.
	OnErrorSkip = "skip"
	// OnErrorContinue runs the steps that depend on it, with null for the result.
	OnErrorContinue = "continue"
)

// How a pipeline uses the recording of a run.
const (
	AudioNone     = "none"
	AudioOptional = "optional"
	AudioRequired = "required"
)

// Definition is a pipeline as it is written.
type Definition struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	// Input is the JSON Schema of the input, an object.
	Input json.RawMessage `json:"input,omitempty"`
	// Audio reports whether a run takes a recording: AudioNone, which is the default,
	// AudioOptional or AudioRequired.
	Audio string `json:"audio,omitempty"`
	Steps []Step `json:"steps"`
	// Output is the result of a run: JSON with expressions. Without one it is the result
	// of the last step.
	Output json.RawMessage `json:"output,omitempty"`
}

// Step is one task of a pipeline, or one task for each item of a list.
type Step struct {
	ID          string `json:"id"`
	Description string `json:"description,omitempty"`
	Task        string `json:"task"`
	Service     string `json:"service,omitempty"`
	Model       string `json:"model,omitempty"`
	// Params are the parameters of the task, with expressions.
	Params json.RawMessage `json:"params,omitempty"`
	// Audio is the recording: an expression for an id, or an object with audio_id, start
	// and end.
	Audio json.RawMessage `json:"audio,omitempty"`
	// If is an expression that decides whether the step runs.
	If string `json:"if,omitempty"`
	// Foreach is an expression for a list. The task runs once for each item, Parallel at a
	// time.
	Foreach  string `json:"foreach,omitempty"`
	Parallel int    `json:"parallel,omitempty"`
	// After are further steps that must have ended.
	After   []string `json:"after,omitempty"`
	Retry   *Retry   `json:"retry,omitempty"`
	Timeout Duration `json:"timeout,omitzero"`
	OnError string   `json:"on_error,omitempty"`
}

// Retry bounds the attempts of a step that fails by a fault of its service.
type Retry struct {
	Attempts int `json:"attempts,omitempty"`
	// Delay before the second attempt, doubled for each further one.
	Delay Duration `json:"delay,omitzero"`
}

// Duration is a time.Duration that is written as a string such as "30s".
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("must be a duration such as \"30s\", got %.40s", raw)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("must be a duration such as \"30s\", got %.40q", text)
	}
	*d = Duration(parsed)
	return nil
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	stepForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

// Parse decodes a definition strictly. The fault names every field that cannot be read,
// those of steps as "steps.id.field".
func Parse(raw []byte) (Definition, error) {
	if len(raw) > int(MaxBytes) {
		return Definition{}, services.Invalidf("definition", "must have at most %d bytes, got %d", MaxBytes, len(raw))
	}
	var d struct {
		Definition
		Steps []json.RawMessage `json:"steps"`
	}
	var bad services.Complaints
	if err := strict(raw, &d); err != nil {
		bad.Complain(place(err, "definition"))
	}
	d.Definition.Steps = make([]Step, len(d.Steps))
	for i, one := range d.Steps {
		step := &d.Definition.Steps[i]
		if err := strict(one, step); err != nil {
			field, problem := place(err, "")
			bad.Complain(strings.TrimSuffix(stepName(*step, i)+"."+field, "."), "%s", problem)
		}
	}
	return d.Definition, bad.Err()
}

// stepName returns the field of a step.
func stepName(s Step, i int) string {
	if stepForm.MatchString(s.ID) {
		return "steps." + s.ID
	}
	return fmt.Sprintf("steps[%d]", i)
}

// strict decodes JSON and refuses unknown fields and a second value.
func strict(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text follows the JSON value")
	}
	return nil
}

// place returns the field that an error of a decoder is about, and the problem.
func place(err error, otherwise string) (field, problem string) {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return kind.Field, "has the wrong type, got a " + kind.Value
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return strings.Trim(name, `"`), "is not a field of a pipeline or step"
	}
	return otherwise, "cannot be read: " + err.Error()
}

// canonical returns the JSON of a definition, with its fields in a fixed order.
func (d Definition) canonical() ([]byte, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, services.Internal(err, "the pipeline could not be encoded")
	}
	return raw, nil
}

// Hash identifies what a definition does: SHA-256 of its JSON, in hex.
func (d Definition) Hash() string {
	raw, err := d.canonical()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Patched returns the definition with a JSON merge patch (RFC 7396) applied.
func (d Definition) Patched(patch []byte) (Definition, error) {
	var change any
	if err := json.Unmarshal(patch, &change); err != nil {
		return d, services.Invalidf("definition", "is not valid JSON: %v", err)
	}
	raw, err := d.canonical()
	if err != nil {
		return d, err
	}
	var whole any
	if err := json.Unmarshal(raw, &whole); err != nil {
		return d, services.Internal(err, "the pipeline could not be decoded")
	}
	if raw, err = json.Marshal(merged(whole, change)); err != nil {
		return d, services.Internal(err, "the pipeline could not be encoded")
	}
	return Parse(raw)
}

// merged returns a value with a merge patch applied.
func merged(value, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := value.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	for key, one := range change {
		if one == nil {
			delete(object, key)
		} else {
			object[key] = merged(object[key], one)
		}
	}
	return object
}

// audio returns how the pipeline uses a recording.
func (d Definition) audio() string { return cmp.Or(d.Audio, AudioNone) }

func (s Step) parallel() int   { return cmp.Or(s.Parallel, DefaultParallel) }
func (s Step) onError() string { return cmp.Or(s.OnError, OnErrorFail) }

// attempts returns how often the step is tried, and the delay before the second time.
func (s Step) attempts() (n int, delay time.Duration) {
	if s.Retry == nil {
		return DefaultAttempts, time.Second
	}
	return cmp.Or(s.Retry.Attempts, DefaultAttempts), cmp.Or(time.Duration(s.Retry.Delay), time.Second)
}
