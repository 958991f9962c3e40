package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// differences compares two recordings and returns a line for each difference: the request,
// the place in its response, before and after. Texts are not compared.
func differences(before, after []recordedAnswer) (lines []string) {
	earlier, later := byName(before), byName(after)
	for _, a := range before {
		b, ok := later[a.Name]
		if !ok {
			lines = append(lines, fmt.Sprintf("%s: is not requested any more", a.Name))
			continue
		}
		was, is := flatten(a), flatten(b)
		places := maps.Clone(was)
		maps.Copy(places, is)
		for _, place := range slices.Sorted(maps.Keys(places)) {
			if was[place] != is[place] {
				lines = append(lines, fmt.Sprintf("%s: %s: before %s, after %s", a.Name, place, orNothing(was[place]), orNothing(is[place])))
			}
		}
	}
	for _, b := range after {
		if _, ok := earlier[b.Name]; !ok {
			lines = append(lines, fmt.Sprintf("%s: is not recorded", b.Name))
		}
	}
	return lines
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

func byName(answers []recordedAnswer) map[string]recordedAnswer {
	all := make(map[string]recordedAnswer)
	for _, a := range answers {
		all[a.Name] = a
	}
	return all
}

// flatten returns every leaf of a response as JSON, by its place, without texts.
func flatten(a recordedAnswer) map[string]string {
	out := map[string]string{"request": a.Request, "status": strconv.Itoa(a.Status)}
	for name, value := range a.Headers {
		out["header "+name] = strconv.Quote(value)
	}
	spread(out, "body", a.Body)
	return out
}

func spread(out map[string]string, place string, value any) {
	switch v := value.(type) {
	case nil:
		if place != "body" {
			out[place] = "null"
		}
	case map[string]any:
		if len(v) == 0 {
			out[place] = "{}"
		}
		for key, inner := range v {
			spread(out, place+"."+key, inner)
		}
	case []any:
		if len(v) == 0 {
			out[place] = "[]"
		}
		for i, inner := range v {
			spread(out, place+"["+strconv.Itoa(i)+"]", inner)
		}
	default:
		text, isText := v.(string)
		if isText {
			out[place] = strconv.Quote(text)
		} else {
			out[place] = fmt.Sprint(v)
		}
	}
}

func TestDifferencesAreListed(t *testing.T) {
	t.Parallel()
	parse := func(text string) (answers []recordedAnswer) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		require.NoError(t, decoder.Decode(&answers))
		return answers
	}
	before := parse(`[
		{"name":"one","request":"GET /one","status":200,"headers":{"Allow":"GET"},
			"body":{"a":[1,2],"b":"<text>","c":{}},"texts":{"b":"Old words."}},
		{"name":"two","request":"GET /two","status":204}]`)
	same := parse(`[
		{"name":"one","request":"GET /one","status":200,"headers":{"Allow":"GET"},
			"body":{"a":[1,2],"b":"<text>","c":{}},"texts":{"b":"Better words."}},
		{"name":"two","request":"GET /two","status":204}]`)
	require.Empty(t, differences(before, same), "the wording of a text is no difference")
	after := parse(`[
		{"name":"one","request":"GET /one","status":404,"body":{"a":[1],"c":null,"d":true}},
		{"name":"three","request":"GET /three","status":200}]`)
	require.Equal(t, []string{
		`one: body.a[1]: before 2, after nothing`,
		`one: body.b: before "<text>", after nothing`,
		`one: body.c: before {}, after null`,
		`one: body.d: before nothing, after true`,
		`one: header Allow: before "GET", after nothing`,
		`one: status: before 200, after 404`,
		`two: is not requested any more`,
		`three: is not recorded`,
	}, differences(before, after))
}
