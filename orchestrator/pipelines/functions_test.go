package pipelines

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheLimitsOfFunctions has each limit, and the values beside it.
func TestTheLimitsOfFunctions(t *testing.T) {
	t.Parallel()
	env, err := environment(map[string]*shape{"input": anyShape})
	require.NoError(t, err)
	long := strings.Repeat("x", maxText-2)
	for text, fault := range map[string]string{
		"size(range(1000)) == 1000":                 "",
		"range(1001)":                               "range must be of 0 to 1000, got 1001",
		"range(-1)":                                 "range must be of 0 to 1000, got -1",
		"size(windows(500.0, 0.5)) == 1000":         "",
		"windows(500.6, 0.5)":                       "make more than 1000 windows",
		"windows(1.0, 0.4)":                         "the length of windows must be at least 0.5 seconds, got 0.4",
		"windows(1.0, 0.0/0.0)":                     "the length of windows must be at least",
		"windows(10.5, 10.0)[1].start == 10.0":      "",
		"windows(10.4, 10.0)[0].end == 10.4":        "",
		"join([input.long, null, 'ab'], '') != ''":  "",
		"join([input.long, 'a'], 'bc')":             "join makes a text of more than 1048576 bytes",
		"join([], 'x') == ''":                       "",
		"join([null, null, 'a', null], 'x') == 'a'": "",
		"join([1], 'x')":                            "no such overload",
		"best([null, -5.0, null, -4, -4.0]) == 3":   "",
		"best([null])":                              "best: the list has no number",
		"best(['a'])":                               "no such overload",
		"1.0 / 0.0":                                 "is not a number",
		"-1.0 / 0.0":                                "is not a number",
		"{1: 2}":                                    "the keys of an object must be strings, got a int",
		"{'a': 0.0 / 0.0}":                          "is not a number",
		"[0.0 / 0.0]":                               "is not a number",
		"overlap('a b c', 'C, b; d 4') == 0.5":      "",
		"timestamp('2020-01-01T00:00:00Z')":         "",
		"5u":                                        "",
		"'" + strings.Repeat("y", 100) + "'.x":      "",
	} {
		e, err := compile(env, text)
		if strings.HasSuffix(text, "'.x") {
			require.ErrorContains(t, err, "${'"+strings.Repeat("y", 79)+"…}")
			continue
		}
		require.NoError(t, err, text)
		made, err := e.eval(scope{vars: map[string]any{"input": map[string]any{"long": long}}})
		if fault != "" {
			require.ErrorContains(t, err, fault, text)
			continue
		}
		require.NoError(t, err, text)
		if strings.Contains(text, "==") || strings.Contains(text, "!=") {
			require.Equal(t, true, made, text)
		}
	}
	value := func(parts ...part) *value { return &value{parts: parts} }
	e, err := compile(env, "input.long")
	require.NoError(t, err)
	s := scope{vars: map[string]any{"input": map[string]any{"long": long}}}
	made, err := value(part{text: "ab"}, part{expr: e}).eval(s)
	require.NoError(t, err)
	require.Equal(t, "ab"+long, made)
	_, err = value(part{text: "abc"}, part{expr: e}).eval(s)
	require.ErrorContains(t, err, "input.long: makes a text of more than 1048576 bytes")
}

// TestTextsAreSplit at their expressions.
func TestTextsAreSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "[]", "a": "[a]", "${a}": "<a>", "${ a }": "<a>", "x${a}y": "[x]<a>[y]", "$${a}": "[${a}]", "a$${b}${c}": "[a${b}]<c>", "$a": "[$a]",
		"${ {'a': {}} }": "<{'a': {}}>", `${'}'}`: "<'}'>", `${"\"}"}`: `<"\"}">`,
		"${a}${b}": "<a><b>", "${a": "has ${ without its }", "$": "[$]",
		"x${'a": "has ${ without its }", `${'\`: "has ${ without its }", "${{}": "has ${ without its }", "}": "[}]",
	} {
		parts, err := split(text, func(text string) *expression { return &expression{text: text} })
		if strings.HasPrefix(want, "has") {
			require.ErrorContains(t, err, want, text)
			continue
		}
		require.NoError(t, err, text)
		got := ""
		for _, p := range parts {
			if p.expr != nil {
				got += "<" + p.expr.text + ">"
			} else {
				got += "[" + p.text + "]"
			}
		}
		require.Equal(t, want, got)
	}
	plain, open := &value{literal: 1}, &value{parts: []part{{expr: &expression{}}}}
	for _, c := range []struct {
		of   *value
		want bool
	}{
		{nil, true}, {plain, true}, {open, false}, {&value{broken: true}, false}, {&value{object: map[string]*value{"a": plain}}, true},
		{&value{object: map[string]*value{"a": open}}, false}, {&value{list: []*value{plain, plain}}, true},
		{&value{list: []*value{plain, open}}, false},
	} {
		require.Equal(t, c.want, c.of.constant())
	}
	require.Equal(t, "_.n", recordID("", "n"))
	require.Equal(t, "ann-1.n", recordID("ann-1", "n"))
	require.Equal(t, "_622f31.n", recordID("b/1", "n"))
}
