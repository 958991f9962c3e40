package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/grym-synth/grym-synth/services"
)

// whole is the field name of the parameters as a whole.
const whole = "params"

// mostProblems is the maximum number of fields in a fault, and mostName the maximum
// length of a field's name.
const (
	mostProblems = 32
	mostName     = 64
)

// fault returns the problems as one fault, in the order of their fields.
func fault(fields []services.FieldError) *services.Fault {
	slices.SortStableFunc(fields, func(a, b services.FieldError) int {
		return cmp.Or(strings.Compare(a.Field, b.Field), strings.Compare(a.Problem, b.Problem))
	})
	fields = slices.Compact(fields)
	return &services.Fault{Kind: services.KindInvalid, Fields: fields[:min(len(fields), mostProblems)]}
}

// index returns the step to the item of a list, as replaceNumbers expects it.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// name joins the steps to a value, as in "history[1].answer".
func name(at []string) string {
	var b strings.Builder
	for _, step := range at {
		if b.Len() > 0 && !strings.HasPrefix(step, "[") {
			b.WriteByte('.')
		}
		b.WriteString(short(step))
	}
	return cmp.Or(b.String(), whole)
}

// short shortens a name chosen by the client.
func short(text string) string { return fmt.Sprintf("%.*s", mostName, text) }

// place is a value in the parameters with the schema that it does not satisfy.
type place struct {
	steps  []string
	value  any
	schema *jsonschema.Schema
}

// find returns a value of the parameters by its steps. The schema is nil if it cannot
// be found by properties, items and conditions alone.
func (s *Schema) find(value any, location []string) place {
	p := place{value: value, schema: s.compiled}
	for _, step := range location {
		switch v := p.value.(type) {
		case map[string]any:
			p.value, p.steps = v[step], append(p.steps, step)
			if p.schema != nil {
				p.schema = property(p.schema, v, step)
			}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return p
			}
			p.value, p.steps = v[i], append(p.steps, index(i))
			if p.schema != nil {
				p.schema = p.schema.Items2020
			}
		}
	}
	return p
}

// property returns the schema of an object's property: that of the properties, or of the
// conditions that the object meets.
func property(s *jsonschema.Schema, object map[string]any, name string) *jsonschema.Schema {
	if one := s.Properties[name]; one != nil {
		return one
	}
	for _, one := range s.AllOf {
		if one.If != nil && one.Then != nil && one.Then.Properties[name] != nil && one.If.Validate(object) == nil {
			return one.Then.Properties[name]
		}
	}
	return nil
}

// problems returns the invalid parameters by field.
func (s *Schema) problems(value any, invalid *jsonschema.ValidationError) (fields []services.FieldError) {
	p := s.find(value, invalid.InstanceLocation)
	inside := func(names []string, problem string) {
		for _, one := range names {
			fields = append(fields, services.FieldError{Field: name(append(slices.Clone(p.steps), one)), Problem: problem})
		}
	}
	switch k := invalid.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		for _, cause := range invalid.Causes {
			fields = append(fields, s.problems(value, cause)...)
		}
	case *kind.Required:
		inside(k.Missing, "is missing")
	case *kind.DependentRequired:
		inside(k.Missing, "is missing; it is required with "+k.Prop)
	case *kind.AdditionalProperties:
		inside(k.Properties, "is not a parameter of this task")
	default:
		fields = append(fields, services.FieldError{Field: name(p.steps), Problem: p.problem(k)})
	}
	return fields
}

// problem completes the sentence "<field> ...".
func (p place) problem(of jsonschema.ErrorKind) string {
	switch k := of.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, got %s", p.wanted(k.Want), show(p.value))
	case *kind.Enum:
		return fmt.Sprintf("must be %s, got %s", oneOf(k.Want), show(p.value))
	case *kind.AnyOf:
		if p.schema != nil && alternatives(p.schema) != "" {
			return fmt.Sprintf("must be %s, got %s", alternatives(p.schema), show(p.value))
		}
	case *kind.Const:
		return fmt.Sprintf("must be %s, got %s", show(k.Want), show(p.value))
	case *kind.Minimum:
		return p.outside(k.Want, nil, false)
	case *kind.ExclusiveMinimum:
		return p.outside(k.Want, nil, true)
	case *kind.Maximum:
		return p.outside(nil, k.Want, false)
	case *kind.ExclusiveMaximum:
		return p.outside(nil, k.Want, true)
	case *kind.MultipleOf:
		return fmt.Sprintf("must be a multiple of %s, got %s", decimal(k.Want), show(p.value))
	case *kind.MinLength:
		return atLeast(k.Want, k.Got, "character")
	case *kind.MaxLength:
		return atMost(k.Want, k.Got, "character")
	case *kind.MinItems:
		return atLeast(k.Want, k.Got, "item")
	case *kind.MaxItems:
		return atMost(k.Want, k.Got, "item")
	case *kind.MinProperties:
		return atLeast(k.Want, k.Got, "field")
	case *kind.MaxProperties:
		return atMost(k.Want, k.Got, "field")
	case *kind.UniqueItems:
		return fmt.Sprintf("must have different items, got the same at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Pattern:
		return fmt.Sprintf("must match the pattern %s, got %s", k.Want, show(k.Got))
	case *kind.Format:
		return fmt.Sprintf("must be of the form %s, got %s", k.Want, show(k.Got))
	}
	return "does not fit the schema of the task, got " + show(p.value)
}

// wanted returns the types that a value may have, with the values if they are
// enumerated.
func (p place) wanted(types []string) string {
	if p.schema != nil && p.schema.Enum != nil {
		return oneOf(p.schema.Enum.Values)
	}
	named := make([]string, len(types))
	for i, one := range types {
		named[i] = typeNames[one]
	}
	return strings.Join(named, " or ")
}

// typeNames are the types of JSON Schema in plain words.
var typeNames = map[string]string{
	"string": "a string", "boolean": "true or false", "array": "a list", "object": "an object",
	"number": "a number", "integer": "a whole number", "null": "null",
}

// outside describes the range of a number. One limit is that which the number violates;
// the other comes from the schema.
func (p place) outside(least, most *big.Rat, open bool) string {
	wanted := limits(least, most, open && least != nil, open && most != nil)
	if p.schema != nil {
		wanted = rangeOf(p.schema)
	}
	return fmt.Sprintf("must be %s, got %s", wanted, show(p.value))
}

// rangeOf returns the range of numbers that a schema allows, empty for all.
func rangeOf(s *jsonschema.Schema) string {
	least, most := cmp.Or(s.ExclusiveMinimum, s.Minimum), cmp.Or(s.ExclusiveMaximum, s.Maximum)
	return limits(least, most, s.ExclusiveMinimum != nil, s.ExclusiveMaximum != nil)
}

// limits returns a range in words. Either limit may be nil, or itself outside the range.
func limits(least, most *big.Rat, above, below bool) string {
	if least != nil && most != nil && !above && !below {
		return "from " + decimal(least) + " to " + decimal(most)
	}
	var words []string
	for _, one := range []struct {
		limit        *big.Rat
		open         bool
		beyond, upTo string
	}{{least, above, "above ", "at least "}, {most, below, "below ", "at most "}} {
		switch {
		case one.limit == nil:
		case one.open:
			words = append(words, one.beyond+decimal(one.limit))
		default:
			words = append(words, one.upTo+decimal(one.limit))
		}
	}
	return strings.Join(words, " and ")
}

// alternatives returns what a value can be in words, empty where that takes more than a
// few.
func alternatives(s *jsonschema.Schema) string {
	var words []string
	for _, one := range s.AnyOf {
		var wanted string
		switch {
		case one.Enum != nil:
			wanted = oneOf(one.Enum.Values)
		case rangeOf(one) != "":
			wanted = rangeOf(one)
		case one.Types != nil && len(one.Types.ToStrings()) == 1:
			wanted = typeNames[one.Types.ToStrings()[0]]
		default:
			return ""
		}
		words = append(words, wanted)
	}
	return strings.Join(words, " or ")
}

// decimal formats a limit as in the schema.
func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.RatString()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// atLeast describes a text or list that is too short, and atMost one that is too long.
func atLeast(want, got int, unit string) string {
	if want == 1 && got == 0 {
		return "must not be empty"
	}
	return fmt.Sprintf("must have at least %s, got %d", count(want, unit), got)
}

func atMost(want, got int, unit string) string {
	return fmt.Sprintf("must have at most %s, got %d", count(want, unit), got)
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.Itoa(n) + " " + unit + "s"
}

// oneOf lists the allowed values as JSON.
func oneOf(values []any) string {
	shown := make([]string, len(values))
	for i, value := range values {
		shown[i] = show(value)
	}
	if n := len(shown); n > 1 {
		return strings.Join(shown[:n-1], ", ") + " or " + shown[n-1]
	}
	return strings.Join(shown, "")
}

// show returns a value as JSON. A long text is shortened, and arrays and objects are
// described.
func show(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("%.40q", v)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("a %T", value)
	}
	return string(text)
}
