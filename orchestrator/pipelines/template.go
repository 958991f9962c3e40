package pipelines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// value is JSON in which strings may have expressions.
type value struct {
	// literal is set for JSON without expressions below it, parts for a string with them.
	literal any
	parts   []part
	object  map[string]*value
	list    []*value
	// broken is set for what could not be compiled.
	broken bool
}

// part of a string: text, or an expression.
type part struct {
	text string
	expr *expression
}

// whole returns the expression of a string that is nothing else, or nil.
func (v *value) whole() *expression {
	if len(v.parts) == 1 {
		return v.parts[0].expr
	}
	return nil
}

// constant reports whether there is no expression in it.
func (v *value) constant() bool {
	if v == nil {
		return true
	}
	if len(v.parts) > 0 || v.broken {
		return false
	}
	for _, one := range v.object {
		if !one.constant() {
			return false
		}
	}
	for _, one := range v.list {
		if !one.constant() {
			return false
		}
	}
	return true
}

// split finds the expressions of a string: what ${ and the } that matches it enclose.
// $${ stands for ${ itself. compile is called for each.
func split(text string, compile func(string) *expression) (parts []part, err error) {
	var plain strings.Builder
	found := false
	for text != "" {
		at := strings.Index(text, "${")
		if at < 0 {
			plain.WriteString(text)
			break
		}
		if at > 0 && text[at-1] == '$' {
			plain.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		plain.WriteString(text[:at])
		length := closing(text[at+2:])
		if length < 0 {
			return nil, fmt.Errorf("has ${ without its }: %.60q", text[at:])
		}
		if plain.Len() > 0 {
			parts = append(parts, part{text: plain.String()})
			plain.Reset()
		}
		parts, found = append(parts, part{expr: compile(strings.TrimSpace(text[at+2 : at+2+length]))}), true
		text = text[at+2+length+1:]
	}
	if plain.Len() > 0 || !found {
		parts = append(parts, part{text: plain.String()})
	}
	return parts, nil
}

// closing returns the index of the } that ends an expression, or -1. Braces in the strings
// of the expression do not count.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"', '\'':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		}
	}
	return -1
}

// decode decodes JSON with its numbers as text.
func decode(raw []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return v, err
}

// scope is what expressions are evaluated with.
type scope struct {
	vars map[string]any
	// skipped are the steps without a result: an expression that refers to one is null
	// unless it looks at its status.
	skipped map[string]bool
}

// eval returns the value with the results of its expressions.
func (v *value) eval(s scope) (any, error) {
	switch {
	case v.whole() != nil:
		return v.whole().eval(s)
	case len(v.parts) > 0:
		return textOf(v.parts, s)
	case v.object != nil:
		out := make(map[string]any, len(v.object))
		for key, one := range v.object {
			made, err := one.eval(s)
			if err != nil {
				return nil, err
			}
			out[key] = made
		}
		return out, nil
	case v.list != nil:
		out := make([]any, len(v.list))
		for i, one := range v.list {
			made, err := one.eval(s)
			if err != nil {
				return nil, err
			}
			out[i] = made
		}
		return out, nil
	}
	return v.literal, nil
}

// textOf joins the parts of a string.
func textOf(parts []part, s scope) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		made, err := p.expr.eval(s)
		if err != nil {
			return "", err
		}
		if text, ok := made.(string); ok {
			b.WriteString(text)
		} else if raw, err := json.Marshal(made); err == nil {
			b.Write(raw)
		} else {
			return "", fmt.Errorf("%s: %w", p.expr.text, err)
		}
		if b.Len() > maxText {
			return "", fmt.Errorf("%s: makes a text of more than %d bytes", p.expr.text, maxText)
		}
	}
	return b.String(), nil
}

// expressions calls visit for every expression in it, with the path to it.
func (v *value) expressions(path string, visit func(path string, e *expression)) {
	for _, p := range v.parts {
		if p.expr != nil {
			visit(path, p.expr)
		}
	}
	for key, one := range v.object {
		one.expressions(join(path, key), visit)
	}
	for i, one := range v.list {
		one.expressions(fmt.Sprintf("%s[%d]", path, i), visit)
	}
}

// join adds a name to a path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
