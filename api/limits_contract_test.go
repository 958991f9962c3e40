package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// probe is a value that a schema must accept, or refuse with a message.
type probe struct {
	value any
	// says is part of the refusal's text; empty for a value that is accepted.
	says string
}

// merged returns a schema with the first of its alternatives.
func merged(schema *openapi3.Schema) *openapi3.Schema {
	for _, refs := range []openapi3.SchemaRefs{schema.AllOf, schema.OneOf, schema.AnyOf} {
		if len(refs) > 0 && schema.Type == nil {
			return merged(refs[0].Value)
		}
	}
	return schema
}

// sample returns a value that matches a schema, or nil if none is found.
func sample(schema *openapi3.Schema, depth int) any {
	s := merged(schema)
	candidates := []any{s.Example, s.Default}
	candidates = append(candidates, s.Enum...)
	switch {
	case s.Type.Is("object"):
		object := make(map[string]any)
		for _, name := range s.Required {
			if property := s.Properties[name]; property != nil && depth < 6 {
				object[name] = sample(property.Value, depth+1)
			}
		}
		candidates = append(candidates, object)
	case s.Type.Is("array"):
		items := []any{}
		for range max(1, s.MinItems) {
			items = append(items, sample(s.Items.Value, depth+1))
		}
		candidates = append(candidates, []any{}, items)
	case s.Type.Is("boolean"):
		candidates = append(candidates, true)
	case s.Type.Is("string"):
		for _, text := range []string{"a", "a/b", "2026-11-24T18:00:00Z", "https://example.org/",
			strings.Repeat("a", 12), strings.Repeat("a", 64), "1"} {
			candidates = append(candidates, text)
		}
	default:
		candidates = append(candidates, 1.0, 0.5, 100.0)
		if s.Min != nil {
			candidates = append(candidates, *s.Min)
		}
	}
	for _, one := range candidates {
		if one != nil && schema.VisitJSON(one) == nil {
			return one
		}
	}
	return nil
}

// probes returns values at the limits of a schema and just beyond each.
func probes(schema *openapi3.Schema) (list []probe) {
	s := merged(schema)
	switch {
	case len(s.Enum) > 0 && s.Type.Is("string"):
		for _, value := range s.Enum {
			list = append(list, probe{value, ""})
		}
		list = append(list, probe{"neither", "must be one of " + fmt.Sprint(s.Enum[0])})
	case s.Type.Is("integer"), s.Type.Is("number"):
		beyond := 1.0
		if s.Type.Is("number") {
			beyond = 0.001
		}
		if s.Min != nil {
			list = append(list, at(*s.Min, -beyond, s.ExclusiveMin.Bool)...)
		}
		if s.Max != nil {
			list = append(list, at(*s.Max, beyond, s.ExclusiveMax.Bool)...)
		}
	case s.Type.Is("string"):
		if s.MinLength > 0 {
			list = append(list, probe{strings.Repeat("a", int(s.MinLength)-1), map[bool]string{true: "must not be empty",
				false: fmt.Sprintf("at least %d characters", s.MinLength)}[s.MinLength == 1]})
		}
		if s.MaxLength != nil {
			longest := strings.Repeat("a", int(*s.MaxLength))
			list = append(list, probe{longest, ""}, probe{longest + "a", fmt.Sprintf("must have at most %d characters", *s.MaxLength)})
		}
		if s.Pattern != "" {
			list = append(list, probe{"\x7f", "must match the regular expression"})
		}
	case s.Type.Is("array") && s.MaxItems != nil && *s.MaxItems < 2000:
		one := sample(s.Items.Value, 0)
		most := slices.Repeat([]any{one}, int(*s.MaxItems))
		if !s.UniqueItems {
			list = append(list, probe{most, ""})
		}
		list = append(list, probe{append(slices.Clone(most), one), fmt.Sprintf("must have at most %d items", *s.MaxItems)})
	}
	return list
}

func at(limit, beyond float64, exclusive *bool) []probe {
	text := strconv.FormatFloat(limit, 'g', -1, 64)
	if exclusive != nil && *exclusive {
		return []probe{{limit, "must be"}, {limit - beyond, ""}}
	}
	return []probe{{limit, ""}, {limit + beyond, text}}
}

// asked is a request of an operation under construction.
type asked struct {
	method, pattern string
	path            map[string]string
	query           url.Values
	header          http.Header
	body            any
}

func (a asked) request(t *testing.T) *http.Request {
	t.Helper()
	path := a.pattern
	for name, value := range a.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	request := httptest.NewRequestWithContext(t.Context(), a.method, "http://127.0.0.1"+path, nil)
	if a.body != nil {
		text, err := json.Marshal(a.body)
		require.NoError(t, err)
		request = httptest.NewRequestWithContext(t.Context(), a.method, "http://127.0.0.1"+path, bytes.NewReader(text))
		request.Header.Set("Content-Type", "application/json")
	}
	request.URL.RawQuery = a.query.Encode()
	maps.Copy(request.Header, a.header)
	return request
}

func (a asked) with(parameter *openapi3.Parameter, value any) asked {
	var texts []string
	if list, ok := value.([]any); ok {
		for _, one := range list {
			texts = append(texts, fmt.Sprint(one))
		}
	} else {
		texts = []string{fmt.Sprint(value)}
		if number, ok := value.(float64); ok {
			texts[0] = strconv.FormatFloat(number, 'f', -1, 64)
		}
	}
	switch parameter.In {
	case "path":
		a.path = maps.Clone(a.path)
		a.path[parameter.Name] = texts[0]
	case "query":
		a.query = maps.Clone(a.query)
		if a.query[parameter.Name] = texts; parameter.Explode != nil && !*parameter.Explode {
			a.query[parameter.Name] = []string{strings.Join(texts, ",")}
		}
	default:
		a.header = maps.Clone(a.header)
		a.header.Set(parameter.Name, texts[0])
	}
	return a
}

// fields calls visit with the path of each property of a JSON body that has limits, and with
// a function that returns the body with another value there.
func fields(schema *openapi3.Schema, base any, path []string, visit func(path []string, property *openapi3.Schema, with func(any) any)) {
	var walk func(s *openapi3.Schema, value any, path []string, with func(any) any, depth int)
	walk = func(s *openapi3.Schema, value any, path []string, with func(any) any, depth int) {
		s = merged(s)
		object, ok := value.(map[string]any)
		if !ok || depth > 3 {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			property := s.Properties[name].Value
			replaced := func(v any) any {
				changed := maps.Clone(object)
				changed[name] = v
				return with(changed)
			}
			here := append(slices.Clone(path), name)
			visit(here, property, replaced)
			inner := object[name]
			if inner == nil {
				inner = sample(property, 0)
			}
			walk(property, inner, here, replaced, depth+1)
		}
	}
	walk(schema, base, path, func(v any) any { return v }, 0)
}

// probeBody calls check with a request for each probe of the fields of a JSON body.
func probeBody(schema *openapi3.Schema, base asked, check func(one asked, field string, p probe)) {
	fields(schema, base.body, nil, func(path []string, property *openapi3.Schema, with func(any) any) {
		for _, p := range probes(property) {
			one := base
			one.body = with(p.value)
			if p.says != "" || schema.VisitJSON(one.body) == nil { // else other fields exclude it
				check(one, strings.Join(path, "."), p)
			}
		}
	})
}

// plainest returns the request of an operation with what is required alone, and the schema of
// its JSON body, nil if it has none.
func plainest(method, pattern string, parameters openapi3.Parameters, operation *openapi3.Operation) (base asked, schema *openapi3.Schema) {
	base = asked{method: method, pattern: pattern, path: map[string]string{}, query: url.Values{}, header: http.Header{}}
	for _, ref := range parameters {
		if ref.Value.Required {
			base = base.with(ref.Value, sample(ref.Value.Schema.Value, 0))
		}
	}
	if operation.RequestBody != nil {
		if json := operation.RequestBody.Value.Content["application/json"]; json != nil {
			schema = json.Schema.Value
			base.body = sample(schema, 0)
		}
	}
	return base, schema
}

// contractValidator returns the contract and its middleware.
func contractValidator(t *testing.T) (*openapi3.T, func(http.Handler) http.Handler) {
	t.Helper()
	checked, err := contract()
	require.NoError(t, err)
	spec, err := openapi3.NewLoader().LoadFromData(checked.text)
	require.NoError(t, err)
	table, err := newOperations(spec)
	require.NoError(t, err)
	h := &handlers{cfg: DefaultConfig(), operations: table}
	validator, err := h.validator(spec, writer())
	require.NoError(t, err)
	return spec, validator
}

// TestEveryLimitOfTheContract sends each value at a limit of the contract, which must be
// accepted, and the next beyond it, which must be refused with the name of the field and the
// limit.
func TestEveryLimitOfTheContract(t *testing.T) {
	t.Parallel()
	spec, validator := contractValidator(t)
	accepted := false
	handler := validator(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { accepted = true }))
	send := func(a asked) (bool, string) {
		accepted = false
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, a.request(t))
		return accepted, response.Body.String()
	}
	counts := make(map[string]int)
	check := func(where string, a asked, field string, p probe) {
		ok, body := send(a)
		if p.says == "" {
			require.True(t, ok, "%s: %s = %.80v is at its limit: %s", where, field, p.value, body)
			counts["accepted"]++
			return
		}
		require.False(t, ok, "%s: %s = %.80v is beyond its limit", where, field, p.value)
		require.Contains(t, body, field, "%s = %.80v", where, p.value)
		text, err := json.Marshal(p.says)
		require.NoError(t, err)
		require.Contains(t, body, strings.Trim(string(text), `"`), "%s: %s = %.80v", where, field, p.value)
		counts["refused"]++
	}
	for pattern, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			where := method + " " + pattern
			parameters := slices.Concat(item.Parameters, operation.Parameters)
			base, schema := plainest(method, pattern, parameters, operation)
			if ok, body := send(base); !ok {
				// Operations that take a form only are checked without their bodies.
				require.Contains(t, body, "multipart/form-data", "%s: %v", where, base.body)
				counts["forms"]++
				continue
			}
			for _, ref := range parameters {
				for _, p := range probes(ref.Value.Schema.Value) {
					if ref.Value.In != "query" && (p.value == "" || p.value == "\x7f") {
						continue // no such path or header can be sent
					}
					check(where, base.with(ref.Value, p.value), ref.Value.Name, p)
				}
			}
			if schema != nil {
				probeBody(schema, base, func(one asked, field string, p probe) { check(where, one, field, p) })
			}
		}
	}
	t.Log(counts)
	require.Greater(t, counts["accepted"], 300, "of which most are values of lists")
	require.Greater(t, counts["refused"], 200)
}
