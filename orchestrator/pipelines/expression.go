package pipelines

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Limits of one expression.
const (
	maxExpression = 4096
	maxNesting    = 48
	// maxCost bounds the work of one evaluation, in CEL's units: about one for each
	// operation and for each tenth character of a text.
	maxCost = 500_000
	// maxMemory bounds what one evaluation holds, in values and characters.
	maxMemory = 16 << 20
)

// Names of the variables of expressions.
const (
	varInput = "input"
	varSteps = "steps"
	varItem  = "item"
	varIndex = "index"
)

// expression is a compiled expression.
type expression struct {
	text    string
	program cel.Program
	// of is the type of its value.
	of *types.Type
	// uses are the steps that it refers to, with whether it looks at their status.
	uses map[string]bool
}

// provider has the object types of one environment.
type provider struct {
	types.Provider
	known map[string]*shape
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if p.known[name] == nil {
		return p.Provider.FindStructType(name)
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

// FindStructFieldType implements types.Provider. The values are maps, which need no
// getters.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	s := p.known[name]
	if s == nil {
		return p.Provider.FindStructFieldType(name, field)
	}
	of := s.fields[field]
	if of == nil {
		return nil, false
	}
	return &types.FieldType{Type: of.cel(p.known)}, true
}

// environment returns what compiles expressions that see the given variables.
func environment(variables map[string]*shape) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &provider{Provider: registry, known: map[string]*shape{spanShape.name: spanShape}}
	options := append(functions(), cel.CustomTypeProvider(p), cel.CustomTypeAdapter(types.DefaultTypeAdapter),
		cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(maxNesting), cel.CrossTypeNumericComparisons(true))
	for name, s := range variables {
		options = append(options, cel.Variable(name, s.cel(p.known)))
	}
	return cel.NewEnv(options...)
}

// withItem returns the environment of a step that runs for each item of a list.
func withItem(env *cel.Env, list *types.Type) (*cel.Env, error) {
	item := types.DynType
	if list.Kind() == types.ListKind {
		item = list.Parameters()[0]
	}
	return env.Extend(cel.Variable(varItem, item), cel.Variable(varIndex, types.IntType))
}

// compile checks an expression and makes a program of it.
func compile(env *cel.Env, text string) (*expression, error) {
	if text == "" {
		return nil, fmt.Errorf("has an empty expression")
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("${%s}: %s", shorten(text), explain(issues))
	}
	estimate, err := env.EstimateCost(checked, noSizes{})
	if err == nil && estimate.Min > maxCost {
		err = fmt.Errorf("it costs at least %d, and the limit is %d", estimate.Min, maxCost)
	}
	e := &expression{text: text, of: checked.OutputType(), uses: make(map[string]bool)}
	if err == nil {
		e.program, err = env.Program(checked, cel.CostLimit(maxCost), cel.MemoryLimit(maxMemory))
	}
	if err != nil {
		return nil, fmt.Errorf("${%s}: %w", shorten(text), err)
	}
	e.findUses(checked.NativeRep().Expr())
	return e, nil
}

// noSizes is an estimator of costs that knows nothing.
type noSizes struct{}

// EstimateSize implements cost.Estimator.
func (noSizes) EstimateSize(cost.AstNode) *cost.SizeEstimate { return nil }

// EstimateCallCost implements cost.Estimator.
func (noSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// explain returns the first problem of an expression in plain words.
func explain(issues *cel.Issues) string {
	list := issues.Errors()
	if len(list) == 0 {
		return issues.Err().Error()
	}
	text := strings.TrimSpace(list[0].Message)
	if field, ok := strings.CutPrefix(text, "undefined field "); ok {
		return strings.Trim(field, "'") + " does not exist"
	}
	if name, ok := strings.CutPrefix(text, "undeclared reference to "); ok {
		name, _, _ = strings.Cut(name, " (in")
		return strings.Trim(name, "'") + " does not exist"
	}
	return text
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}

// findUses records the steps that an expression refers to.
func (e *expression) findUses(root ast.Expr) {
	ast.PostOrderVisit(root, ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.SelectKind {
			return
		}
		selected := x.AsSelect()
		if id, ok := stepOf(x); ok {
			e.uses[id] = e.uses[id] || false
		} else if id, ok := stepOf(selected.Operand()); ok && selected.FieldName() == "status" {
			e.uses[id] = true
		}
	}))
}

// stepOf returns the step of an expression "steps.id".
func stepOf(x ast.Expr) (string, bool) {
	if x.Kind() != ast.SelectKind {
		return "", false
	}
	operand := x.AsSelect().Operand()
	return x.AsSelect().FieldName(), operand.Kind() == ast.IdentKind && operand.AsIdent() == varSteps
}

// eval returns the value of the expression as JSON.
func (e *expression) eval(s scope) (any, error) {
	for id, looks := range e.uses {
		if s.skipped[id] && !looks {
			return nil, nil
		}
	}
	made, _, err := e.program.Eval(s.vars)
	if err == nil {
		var out any
		if out, err = native(made); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("${%s}: %w", shorten(e.text), err)
}

// native returns a value of an expression as what encoding/json encodes.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return uint64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("is not a number: %v", float64(v))
		}
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case traits.Mapper:
		return nativeMap(v)
	case traits.Lister:
		list := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			one, err := native(it.Next())
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		return list, nil
	}
	if text, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return string(text), nil
	}
	return nil, fmt.Errorf("a %s cannot be written as JSON", v.Type().TypeName())
}

func nativeMap(v traits.Mapper) (any, error) {
	out := make(map[string]any)
	for it := v.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the keys of an object must be strings, got a %s", key.Type().TypeName())
		}
		one, err := native(v.Get(key))
		if err != nil {
			return nil, err
		}
		out[string(name)] = one
	}
	return out, nil
}

// typeWords describes a type for messages.
func typeWords(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "a string"
	case types.IntKind, types.UintKind:
		return "a whole number"
	case types.DoubleKind:
		return "a number"
	case types.BoolKind:
		return "true or false"
	case types.ListKind:
		return "a list"
	case types.MapKind, types.StructKind:
		return "an object"
	case types.NullTypeKind:
		return "null"
	}
	return t.String()
}

// fits returns what a JSON Schema asks for if a value of a type can never be that, else "".
func fits(t *types.Type, schema map[string]any) string {
	var accepted []string
	switch of := schema["type"].(type) {
	case string:
		accepted = []string{of}
	case []any:
		for _, one := range of {
			accepted = append(accepted, fmt.Sprint(one))
		}
	}
	if len(accepted) == 0 {
		return ""
	}
	var has []string
	switch t.Kind() {
	case types.StringKind, types.BytesKind, types.TimestampKind, types.DurationKind:
		has = []string{"string"}
	case types.IntKind, types.UintKind:
		has = []string{"integer", "number"}
	case types.DoubleKind:
		has = []string{"number"}
	case types.BoolKind:
		has = []string{"boolean"}
	case types.ListKind:
		has = []string{"array"}
	case types.MapKind, types.StructKind:
		has = []string{"object"}
	default:
		return ""
	}
	if slices.ContainsFunc(has, func(one string) bool { return slices.Contains(accepted, one) }) {
		return ""
	}
	return strings.Join(accepted, " or ")
}
