package chat

import (
	"fmt"
	"maps"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// otherField is a field of OpenAI's for what no model here can do, or that has no effect.
type otherField struct {
	// neutral are the values that change nothing, beside null and empty lists and objects.
	neutral []any
	// refused is why other values are refused; if it is empty, they are ignored.
	refused string
}

// noTools is why tools are refused.
const noTools = "is not supported: the models use no tools"

// otherFields are the documented fields of OpenAI's that the contract does not list.
var otherFields = map[string]otherField{
	"audio":               {refused: "is not supported: answers are text"},
	"functions":           {refused: noTools},
	"function_call":       {neutral: []any{"none", "auto"}, refused: noTools},
	"tools":               {refused: noTools},
	"tool_choice":         {neutral: []any{"none", "auto"}, refused: noTools},
	"parallel_tool_calls": {neutral: []any{true, false}},
	"response_format":     {neutral: []any{"text"}, refused: "must be of type text"},
	"logprobs":            {neutral: []any{false}, refused: "is not supported: answers have no log probabilities"},
	"top_logprobs":        {neutral: []any{0.0}, refused: "is not supported: answers have no log probabilities"},
	"frequency_penalty":   {neutral: []any{0.0}},
	"presence_penalty":    {neutral: []any{0.0}},
	"service_tier":        {neutral: []any{"auto", "default"}},
	"store":               {neutral: []any{false}},

	"logit_bias": {}, "metadata": {}, "moderation": {}, "prediction": {}, "prompt_cache_key": {}, "prompt_cache_options": {},
	"prompt_cache_retention": {}, "reasoning_effort": {}, "safety_identifier": {}, "verbosity": {}, "web_search_options": {},
}

// otherFields reads the fields that the contract does not list.
func (r *reading) otherFields(fields map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, known := otherFields[name]
		switch {
		case !known:
			r.unknown("", name)
		case field.isNeutral(fields[name]):
		case field.refused != "":
			r.Complain(name, "%s", field.refused)
		default:
			r.ignored(name)
		}
	}
}

// isNeutral reports whether a value changes nothing.
func (f otherField) isNeutral(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0 || len(v) == 1 && slices.Contains(f.neutral, v["type"])
	}
	return slices.Contains(f.neutral, value)
}

// maxUnknown limits the unknown fields that are reported by name.
const maxUnknown = 16

// unknown reports an unknown field of the object at a place in the request.
func (r *reading) unknown(at, name string) {
	if at != "" {
		name = at + "." + name
	}
	if len(r.warnings) < maxUnknown {
		r.warn(services.WarnUnknownField, fmt.Sprintf("%.96s", name), fmt.Sprintf("unknown field %.96q was ignored", name))
	}
}

// unknownFields reports the fields of an object that are neither in the contract nor known.
func (r *reading) unknownFields(at string, fields map[string]any, known ...string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			r.unknown(at, name)
		}
	}
}
