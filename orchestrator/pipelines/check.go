package pipelines

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
)

// World is what pipelines know of the services.
type World interface {
	// Execute runs a task, as the orchestrator does.
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
	// Check returns a fault if the task cannot succeed. It runs nothing.
	Check(ctx context.Context, task services.Task) error
	// Bind returns a task with its service and its model.
	Bind(task services.Task) (services.Task, error)
	// Describe returns the description of a service.
	Describe(service string) (services.Description, error)
}

// Lack is what a server does not have for a step of a pipeline.
type Lack struct {
	Step    string
	Problem string
}

// Check compares a plan with the services: whether the tasks exist, the parameters match
// their schemas, and the recordings are there. The fault names every invalid field of every
// step. Models, and tasks, that do not exist are returned as what the server lacks.
func (p *Plan) Check(ctx context.Context, world World) ([]Lack, error) {
	c := &checker{ctx: ctx, world: world}
	for _, n := range p.steps {
		c.step(n)
	}
	return c.lacks, c.bad.Err()
}

// checker collects the faults of a plan.
type checker struct {
	ctx   context.Context //nolint:containedctx // of one call
	world World
	bad   services.Complaints
	lacks []Lack
}

func (c *checker) lack(n *node, field, problem string) {
	c.lacks = append(c.lacks, Lack{Step: n.ID, Problem: field + " " + problem})
}

// step checks one step.
func (c *checker) step(n *node) {
	if n.Task == "" || n.params == nil && len(n.Params) > 0 && string(n.Params) != "null" {
		return // that is a fault already
	}
	task := services.Task{Service: n.Service, Name: n.Task}
	if n.model.constant() {
		task.Model = n.Model
	}
	bound, err := c.world.Bind(task)
	if err != nil {
		c.unbound(n, bound, err)
		return
	}
	description, err := c.world.Describe(bound.Service)
	if err != nil {
		c.lack(n, "service", fmt.Sprintf("%q does not exist", bound.Service))
		return
	}
	at := slices.IndexFunc(description.Tasks, func(kind services.TaskKind) bool { return kind.Name == n.Task })
	switch {
	case at < 0:
		c.lack(n, "task", fmt.Sprintf("%q does not exist in service %s", n.Task, bound.Service))
	case bound.Service == ServiceName:
		c.bad.Complain(n.at+".task", "is a pipeline; a pipeline cannot run others")
	default:
		c.params(n, bound, description.Tasks[at])
	}
}

// unbound records why a task was not found.
func (c *checker) unbound(n *node, bound services.Task, err error) {
	var fault *services.Fault
	switch {
	case !errors.As(err, &fault):
		c.lack(n, "task", err.Error())
		return
	case bound.Service == "":
		c.lack(n, "task", fmt.Sprintf("%q does not exist on this server", n.Task))
		return
	}
	if len(fault.Fields) == 0 {
		c.lack(n, "service", fault.Message)
	}
	for _, field := range fault.Fields {
		c.lack(n, field.Field, field.Problem)
	}
}

// params checks the parameters against their schema and then by the service, with samples
// in place of expressions.
func (c *checker) params(n *node, task services.Task, kind services.TaskKind) {
	open := make(map[string]bool) // the paths of expressions
	params := []byte("{}")
	if n.params != nil {
		if n.params.object == nil {
			c.bad.Complain(n.at+".params", "must be an object")
			return
		}
		var of map[string]any
		if len(kind.ParamsSchema) > 0 {
			_ = json.Unmarshal(kind.ParamsSchema, &of) // it compiles
		}
		sampled := c.sample(n, n.params, of, "", open)
		var err error
		if params, err = json.Marshal(sampled); err != nil {
			c.bad.Complain(n.at+".params", "cannot be encoded: %v", err)
			return
		}
	}
	compiled, err := compiledSchema(kind.ParamsSchema)
	if err == nil {
		err = compiled.Validate(params)
	}
	if c.report(n, err, open) {
		return
	}
	task.Params = params
	c.report(n, c.world.Check(c.ctx, task), open)
}

// schemas are the compiled schemas of tasks, by their text. A server has a few.
var schemas sync.Map

// compiledSchema compiles a schema once.
func compiledSchema(text json.RawMessage) (*schema.Schema, error) {
	if known, ok := schemas.Load(string(text)); ok {
		return known.(*schema.Schema), nil //nolint:forcetypeassert // it holds nothing else
	}
	compiled, err := schema.Compile(text)
	if err == nil {
		schemas.Store(string(text), compiled)
	}
	return compiled, err
}

// sample returns parameters with a fitting value in place of each expression, and records
// the expressions whose type never fits.
func (c *checker) sample(n *node, v *value, schema map[string]any, path string, open map[string]bool) any {
	switch {
	case v == nil:
		return nil
	case v.broken:
		open[path] = true
		return sampleOf(schema)
	case len(v.parts) > 0:
		open[path] = true
		if e := v.whole(); e != nil {
			if want := fits(e.of, schema); want != "" {
				c.bad.Complain(n.at+"."+join("params", path), "must be a value of type %s, and ${%s} is %s", want, shorten(e.text), typeWords(e.of))
			}
		} else if of, ok := schema["type"].(string); ok && of != "string" {
			c.bad.Complain(n.at+"."+join("params", path), "must be a value of type %s, and a text with expressions is a string", of)
		}
		return sampleOf(schema)
	case v.object != nil:
		properties, _ := schema["properties"].(map[string]any)
		out := make(map[string]any)
		for key, one := range v.object {
			of, _ := properties[key].(map[string]any)
			out[key] = c.sample(n, one, of, join(path, key), open)
		}
		return out
	case v.list != nil:
		items, _ := schema["items"].(map[string]any)
		out := make([]any, len(v.list))
		for i, one := range v.list {
			out[i] = c.sample(n, one, items, fmt.Sprintf("%s[%d]", path, i), open)
		}
		return out
	}
	return v.literal
}

// sampleOf returns a value that is likely to satisfy a schema.
func sampleOf(schema map[string]any) any {
	if one, ok := schema["default"]; ok {
		return one
	}
	if list, ok := schema["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	switch schema["type"] {
	case "string":
		least, _ := schema["minLength"].(float64)
		return strings.Repeat("x", max(int(least), 1))
	case "integer", "number":
		least, _ := schema["minimum"].(float64)
		if above, ok := schema["exclusiveMinimum"].(float64); ok {
			least = above + 0.5
		}
		return least
	case "boolean":
		return false
	case "array":
		least, _ := schema["minItems"].(float64)
		items, _ := schema["items"].(map[string]any)
		list := []any{}
		for range int(least) {
			list = append(list, sampleOf(items))
		}
		return list
	case "object":
		return map[string]any{}
	}
	return nil
}

// report records the fields of a fault that are not of samples, and whether there were any.
// Faults of unavailable services are left to the run.
func (c *checker) report(n *node, err error, open map[string]bool) (found bool) {
	var fault *services.Fault
	if err == nil || !errors.As(err, &fault) {
		return false
	}
	switch fault.Kind {
	case services.KindInvalid, services.KindUnsupported, services.KindNotFound, services.KindTooLarge:
	default:
		return false
	}
	for _, field := range fault.Fields {
		switch {
		case field.Field == "file" && (n.audio != nil || len(n.Audio) > 0), isOpen(field.Field, open):
			continue
		case field.Field == "file":
			c.bad.Complain(n.at+".audio", "is missing; task %s needs a recording", n.Task)
		case field.Field == "model":
			c.lack(n, "model", field.Problem)
		default:
			c.bad.Complain(n.at+".params."+field.Field, "%s", field.Problem)
		}
		found = true
	}
	if len(fault.Fields) == 0 && len(open) == 0 && n.audio == nil {
		c.bad.Complain(n.at, "%s", cmp.Or(fault.Message, string(fault.Kind)))
		found = true
	}
	return found
}

// isOpen reports whether a path is that of an expression, above or below one.
func isOpen(path string, open map[string]bool) bool {
	for one := range open {
		if path == one || strings.HasPrefix(path, one+".") || strings.HasPrefix(path, one+"[") {
			return true
		}
	}
	return false
}

// merge returns the fields of several faults as one fault, or the first other error.
func merge(errs ...error) error {
	var bad services.Complaints
	for _, err := range errs {
		var fault *services.Fault
		switch {
		case err == nil:
			continue
		case !errors.As(err, &fault) || len(fault.Fields) == 0:
			return err
		}
		for _, field := range fault.Fields {
			bad.Complain(field.Field, "%s", field.Problem)
		}
	}
	return bad.Err()
}

// Refuse returns what a server lacks as a fault, nil for nothing.
func Refuse(lacks []Lack) error {
	var bad services.Complaints
	for _, one := range lacks {
		field, problem, _ := strings.Cut(one.Problem, " ")
		bad.Complain("steps."+one.Step+"."+field, "%s", problem)
	}
	return bad.Err()
}

// CheckInput returns the input of a run with the defaults of its fields. The fault names
// the invalid fields.
func (p *Plan) CheckInput(raw json.RawMessage) (map[string]any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	if err := p.input.Validate(raw); err != nil {
		return nil, inInput(err)
	}
	decoded, err := decode(raw)
	input, ok := decoded.(map[string]any)
	if err != nil || !ok {
		return nil, services.Invalidf("input", "must be an object")
	}
	whole := make(map[string]any, len(p.defaults))
	for name, one := range p.defaults {
		whole[name] = one
	}
	for name, one := range input {
		if one != nil {
			whole[name] = one
		}
	}
	text, err := json.Marshal(whole) // the defaults are float64, and must be as the shape says
	if err != nil {
		return nil, services.Internal(err, "the input could not be encoded")
	}
	if decoded, err = decode(text); err != nil {
		return nil, services.Internal(err, "the input could not be decoded")
	}
	input, _ = p.inputShape.convert(decoded).(map[string]any)
	return input, nil
}

// inInput adds "input" to the fields of a fault.
func inInput(err error) error {
	var fault *services.Fault
	if !errors.As(err, &fault) {
		return err
	}
	named := *fault
	named.Fields = slices.Clone(fault.Fields)
	for i, field := range named.Fields {
		named.Fields[i].Problem = strings.Replace(field.Problem, "is not a parameter of this task", "is not an input of this pipeline", 1)
		if field.Field == "params" {
			named.Fields[i].Field = "input"
		} else {
			named.Fields[i].Field = "input." + field.Field
		}
	}
	return &named
}
