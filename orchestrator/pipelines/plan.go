package pipelines

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Plan is a compiled definition: its steps with their expressions and dependencies. It is
// not changed any more.
type Plan struct {
	Definition Definition
	Hash       string

	input      *schema.Schema
	inputShape *shape
	defaults   map[string]any
	// steps are ordered so that each follows those that it depends on.
	steps  []*node
	byID   map[string]*node
	output *value
}

// node is a step of a plan.
type node struct {
	Step
	// at is the name of the step in faults.
	at                   string
	model, params, audio *value
	cond, items          *expression
	// needs are the steps that it depends on, with whether it looks at their status: then
	// it runs although they were skipped.
	needs map[string]bool
	// each and result are the shapes of the result of one task and of the whole step.
	each, result *shape
}

// Compile checks a definition as far as that is possible without knowing the services, and
// returns its plan. The fault names each invalid field, with its step; the plan is then good
// for Check only.
func Compile(d Definition) (*Plan, error) {
	c := &compiler{plan: &Plan{Definition: d, Hash: d.Hash(), byID: make(map[string]*node)}}
	c.head()
	c.declare()
	if c.env == nil || len(c.plan.steps) == 0 {
		c.plan.steps = nil
		return c.plan, c.bad.Err()
	}
	for _, n := range c.plan.steps {
		c.step(n)
	}
	c.finish()
	c.order()
	return c.plan, c.bad.Err()
}

// compiler collects the faults of a definition.
type compiler struct {
	plan *Plan
	bad  services.Complaints
	// env is nil if the steps are not known, so that no expression can be compiled.
	env *cel.Env
}

// head checks what is not about steps.
func (c *compiler) head() {
	d := c.plan.Definition
	c.bad.Check(d.Name == "" || nameForm.MatchString(d.Name), "name",
		"must be 1 to 63 lower-case letters, digits and hyphens, got %.80q", d.Name)
	c.bad.Check(slices.Contains([]string{AudioNone, AudioOptional, AudioRequired}, d.audio()), "audio",
		"must be none, optional or required, got %.40q", d.Audio)
	c.bad.Check(len(d.Description) <= 4096, "description", "must have at most 4096 bytes, got %d", len(d.Description))
	c.bad.Check(len(d.Steps) > 0, "steps", "must have at least one step")
	c.bad.Check(len(d.Steps) <= MaxSteps, "steps", "must have at most %d steps, got %d", MaxSteps, len(d.Steps))
	c.plan.inputShape = object(varInput, map[string]*shape{})
	c.readInput(d.Input)
	if d.audio() != AudioNone {
		c.plan.inputShape.fields["audio"] = stringShape
	}
}

// readInput compiles the schema of the input.
func (c *compiler) readInput(raw json.RawMessage) {
	object := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &object); err != nil {
			c.bad.Complain("input", "must be a JSON Schema with properties: %v", err)
			return
		}
	}
	if of, ok := object["type"]; ok && of != "object" {
		c.bad.Complain("input", "must be the schema of an object, got %v", of)
		return
	}
	object["type"] = "object"
	if _, ok := object["additionalProperties"]; !ok {
		object["additionalProperties"] = false
	}
	properties, _ := object["properties"].(map[string]any)
	c.bad.Check(properties["audio"] == nil, "input.properties.audio", "is the recording of the run; set audio to required or optional")
	text, err := json.Marshal(object)
	if err == nil {
		c.plan.input, err = schema.Compile(text)
	}
	if err != nil {
		c.bad.Complain("input", "is not a JSON Schema: %v", err)
		return
	}
	c.plan.defaults = make(map[string]any)
	if s := schemaShape(object, varInput); s.kind == kindObject {
		c.plan.inputShape = s
	}
	for name, one := range properties {
		of, _ := one.(map[string]any)
		c.plan.defaults[name] = of["default"] // null for a field that may be absent
	}
}

// declare makes the nodes and the environment of the expressions.
func (c *compiler) declare() {
	variables := map[string]*shape{varInput: c.plan.inputShape, varSteps: object(varSteps, map[string]*shape{})}
	known := true
	for i, step := range c.plan.Definition.Steps {
		n := &node{Step: step, at: stepName(step, i), needs: make(map[string]bool)}
		switch {
		case step.ID == "":
			c.bad.Complain(n.at+".id", "is missing")
			known = false
		case !stepForm.MatchString(step.ID):
			c.bad.Complain(n.at+".id", "must be a lower-case letter and up to 39 letters, digits and underscores, got %.80q", step.ID)
			known = false
		case c.plan.byID[step.ID] != nil:
			c.bad.Complain(n.at+".id", "is the id of another step")
			known = false
		}
		n.each = anyShape
		if result := tasks.NewResult(step.Task); result != nil {
			n.each = shapeOf(reflect.TypeOf(result), "result."+step.Task)
		}
		n.result = n.each
		sound := stringShape
		sounds := listOf(stringShape)
		if step.Foreach != "" {
			n.result, sound, sounds = listOf(n.each), listOf(stringShape), listOf(sounds)
		}
		variables[varSteps].fields[step.ID] = object("step."+step.ID, map[string]*shape{
			"result": n.result, "audio": sound, "sounds": sounds, "status": stringShape,
		})
		c.plan.steps, c.plan.byID[step.ID] = append(c.plan.steps, n), n
	}
	if !known {
		return
	}
	var err error
	if c.env, err = environment(variables); err != nil {
		c.bad.Complain("definition", "cannot be compiled: %v", err)
	}
}

// step compiles a step.
func (c *compiler) step(n *node) {
	c.settings(n)
	env := c.env
	if n.Foreach != "" {
		if n.items = c.only(n, "foreach", n.Foreach, env); n.items != nil {
			kind := n.items.of.Kind()
			c.bad.Check(kind == types.ListKind || kind == types.DynKind, n.at+".foreach", "must be a list, got %s", typeWords(n.items.of))
			if of, err := withItem(env, n.items.of); err == nil {
				env = of
			}
		}
	}
	if n.If != "" {
		if n.cond = c.only(n, "if", n.If, c.env); n.cond != nil {
			kind := n.cond.of.Kind()
			c.bad.Check(kind == types.BoolKind || kind == types.DynKind, n.at+".if", "must be true or false, got %s", typeWords(n.cond.of))
		}
	}
	n.model = c.value(n.at+".model", n.Model, env)
	n.params = c.json(n.at+".params", n.Params, env)
	if n.audio = c.json(n.at+".audio", n.Audio, env); n.audio != nil {
		c.audio(n)
	}
	for _, v := range []*value{n.model, n.params, n.audio} {
		n.uses(v)
	}
	for _, id := range n.After {
		if c.plan.byID[id] == nil {
			c.bad.Complain(n.at+".after", "names %.40q, which does not exist", id)
			continue
		}
		n.needs[id] = n.needs[id] || false
	}
}

// settings checks what is not an expression.
func (c *compiler) settings(n *node) {
	check := func(ok bool, field, format string, args ...any) { c.bad.Check(ok, n.at+"."+field, format, args...) }
	check(n.Task != "", "task", "is missing")
	check(slices.Contains([]string{OnErrorFail, OnErrorSkip, OnErrorContinue}, n.onError()), "on_error",
		"must be fail, skip or continue, got %.40q", n.OnError)
	check(n.Parallel == 0 || n.Foreach != "", "parallel", "needs foreach")
	check(n.Parallel >= 0 && n.Parallel <= MaxParallel, "parallel", "must be 1 to %d, got %d", MaxParallel, n.Parallel)
	if n.Retry != nil {
		most := n.Retry.Attempts
		check(most >= 0 && most <= MaxAttempts, "retry.attempts", "must be 1 to %d, got %d", MaxAttempts, most)
	}
}

// only compiles a string that must be one expression.
func (c *compiler) only(n *node, field, text string, env *cel.Env) *expression {
	v := c.value(n.at+"."+field, text, env)
	if v == nil {
		return nil
	}
	e := v.whole()
	if e == nil && v.broken {
		return nil
	}
	if e == nil {
		c.bad.Complain(n.at+"."+field, "must be an expression such as ${input.list}, got %.80q", text)
		return nil
	}
	n.uses(v)
	return e
}

// uses adds the steps that a value refers to.
func (n *node) uses(v *value) {
	if v == nil {
		return
	}
	v.expressions("", func(_ string, e *expression) {
		for id, status := range e.uses {
			n.needs[id] = n.needs[id] || status
		}
	})
}

// json compiles JSON with expressions; nil if there is none, or if it is invalid.
func (c *compiler) json(at string, raw json.RawMessage, env *cel.Env) *value {
	if len(raw) == 0 {
		return nil
	}
	decoded, err := decode(raw)
	if err != nil {
		c.bad.Complain(at, "is not valid JSON: %v", err)
		return nil
	}
	if decoded == nil {
		return nil
	}
	return c.value(at, decoded, env)
}

// value compiles decoded JSON. What is invalid is recorded and becomes null.
func (c *compiler) value(at string, decoded any, env *cel.Env) *value {
	switch v := decoded.(type) {
	case string:
		broken := false
		parts, err := split(v, func(text string) *expression {
			e, err := compile(env, text)
			if err != nil {
				c.bad.Complain(at, "%s", err)
				broken = true
				return nil
			}
			return e
		})
		switch {
		case err != nil:
			c.bad.Complain(at, "%s", err)
			return &value{broken: true}
		case broken:
			return &value{broken: true}
		case slices.ContainsFunc(parts, func(p part) bool { return p.expr != nil }):
			return &value{parts: parts}
		}
		return &value{literal: parts[0].text}
	case map[string]any:
		object := make(map[string]*value, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			object[key] = c.value(at+"."+key, v[key], env)
		}
		return &value{object: object}
	case []any:
		list := make([]*value, len(v))
		for i, one := range v {
			list[i] = c.value(fmt.Sprintf("%s[%d]", at, i), one, env)
		}
		return &value{list: list}
	}
	return &value{literal: decoded}
}

// audio checks the recording of a step.
func (c *compiler) audio(n *node) {
	at := n.at + ".audio"
	switch {
	case n.audio.object != nil:
		for key := range n.audio.object {
			c.bad.Check(slices.Contains(spanFields, key), at+"."+key, "is not a field of a recording; it has %s", strings.Join(spanFields, ", "))
		}
		c.bad.Check(n.audio.object[spanFields[0]] != nil, at+".audio_id", "is missing")
		for _, key := range spanFields[1:] {
			if one := n.audio.object[key]; one != nil && one.whole() != nil {
				want := fits(one.whole().of, map[string]any{"type": "number"})
				c.bad.Check(want == "", at+"."+key, "must be a number, got %s", typeWords(one.whole().of))
			}
		}
		if one := n.audio.object[spanFields[0]]; one != nil {
			c.audioID(at+".audio_id", one)
		}
	default:
		c.audioID(at, n.audio)
	}
}

// spanFields are the fields of a part of a recording.
var spanFields = []string{"audio_id", "start", "end"}

// audioID checks an expression for a recording.
func (c *compiler) audioID(at string, v *value) {
	e := v.whole()
	if v.broken {
		return
	}
	if e == nil {
		_, text := v.literal.(string)
		c.bad.Check(text || len(v.parts) > 0, at, "must be the id of a recording, or an object with audio_id, start and end")
		return
	}
	switch e.of.Kind() {
	case types.StringKind, types.DynKind, types.MapKind, types.StructKind, types.NullTypeKind:
	default:
		c.bad.Complain(at, "must be the id of a recording, got %s", typeWords(e.of))
	}
}

// finish compiles the output.
func (c *compiler) finish() {
	raw := c.plan.Definition.Output
	if len(raw) == 0 {
		last := c.plan.steps[len(c.plan.steps)-1].ID
		raw, _ = json.Marshal("${steps." + last + ".result}") // a string can be encoded
	}
	c.plan.output = c.json("output", raw, c.env)
}
