package limits_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/limits"
)

func TestAFileAtItsLimitsIsDecoded(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	for _, c := range []struct {
		name, text string
		size       limits.Size
		says       string
	}{
		{"bytes less one", `[1]`, limits.Size{Bytes: 4, Values: 9}, ""},
		{"bytes most", `[12]`, limits.Size{Bytes: 4, Values: 9}, ""},
		{"bytes above", `[123]`, limits.Size{Bytes: 4, Values: 9}, "must be at most 4 bytes, got 5"},
		{"values less one", `[1,2]`, limits.Size{Bytes: 99, Values: 3}, ""},
		{"values most", `[1,2,3]`, limits.Size{Bytes: 99, Values: 3}, ""},
		{"values above", `[1,2,3,4]`, limits.Size{Bytes: 99, Values: 3}, "must hold at most 3 values, got more"},
		{"members most", `{"a":1,"b":2,"c":3}`, limits.Size{Bytes: 99, Values: 3}, ""},
		{"members above", `{"a":1,"b":2,"c":3,"d":4}`, limits.Size{Bytes: 99, Values: 3}, "must hold at most 3 values, got more"},
		{"empty lists", `[[],[]]`, limits.Size{Bytes: 99, Values: 3}, "must hold at most 3 values, got more"},
		{"empty objects", `{"a":{},"b":{}}`, limits.Size{Bytes: 99, Values: 3}, "must hold at most 3 values, got more"},
		{"marks in a text", `["[,{,[,{,"]`, limits.Size{Bytes: 99, Values: 1}, ""},
		{"marks behind a quote in a text", `["\",,,,\\"]`, limits.Size{Bytes: 99, Values: 1}, ""},
		{"values behind a backslash", `["\\",1,2,3]`, limits.Size{Bytes: 99, Values: 3}, "must hold at most 3 values, got more"},
		{"depth most", nested(64), limits.Size{Bytes: 999, Values: 999}, ""},
		{"depth above", nested(65), limits.Size{Bytes: 999, Values: 999}, "must be nested at most 64 deep, byte 64 is deeper"},
		{
			"objects above", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), limits.Size{Bytes: 999, Values: 999},
			"must be nested at most 64 deep, byte 320 is deeper",
		},
		{"depth is counted down", `[` + nested(63) + `,` + nested(63) + `]`, limits.Size{Bytes: 999, Values: 999}, ""},
		{
			"depth of objects is counted down", strings.Repeat(`[{},`, 50) + `{"a":{}}` + strings.Repeat("]", 50),
			limits.Size{Bytes: 999, Values: 999}, "",
		},
	} {
		var into any
		err := limits.Decode([]byte(c.text), &into, c.size)
		if c.says == "" {
			require.NoError(t, err, c.name)
			require.NotNil(t, into, c.name)
		} else {
			require.EqualError(t, err, c.says, c.name)
			require.Nil(t, into, "%s: nothing is decoded", c.name)
		}
	}
}

func TestAWrongTypeIsNamed(t *testing.T) {
	t.Parallel()
	type part struct {
		Layers  int64            `json:"layers"`
		Count   int              `json:"count"`
		Epsilon float64          `json:"eps"`
		Half    float32          `json:"half"`
		Kind    string           `json:"kind"`
		Norm    bool             `json:"norm"`
		Sizes   []int64          `json:"sizes"`
		Tokens  map[string]int64 `json:"tokens"`
		Inner   struct {
			Width int64 `json:"width"`
		} `json:"inner"`
	}
	for text, says := range map[string]string{
		`{"layers":1.5}`:                     "layers must be a whole number of at most 64 bits, got number 1.5",
		`{"layers":9223372036854775808}`:     "layers must be a whole number of at most 64 bits, got number 9223372036854775808",
		`{"layers":-9223372036854775809}`:    "layers must be a whole number of at most 64 bits, got number -9223372036854775809",
		`{"count":"1"}`:                      "count must be a whole number of at most 64 bits, got string",
		`{"eps":1e999}`:                      "eps must be a number of type float64, got number 1e999",
		`{"half":1e39}`:                      "half must be a number of type float32, got number 1e39",
		`{"kind":1}`:                         "kind must be a string, got number",
		`{"norm":1}`:                         "norm must be a bool, got number",
		`{"sizes":{}}`:                       "sizes must be a list, got object",
		`{"tokens":[]}`:                      "tokens must be an object, got array",
		`{"inner":7}`:                        "inner must be an object, got number",
		`{"inner":{"width":true}}`:           "inner.width must be a whole number of at most 64 bits, got bool",
		`[]`:                                 "a value must be an object, got array",
		`{"layers":` + nines(100) + `}`:      "layers must be a whole number of at most 64 bits, got number " + nines(64-len("number ")),
		`{"layers":9223372036854775807}`:     "",
		`{"layers":-9223372036854775808}`:    "",
		`{"eps":1.7976931348623157e308}`:     "",
		`{"unknown":[1,2,{}],"layers":null}`: "",
	} {
		err := limits.Decode([]byte(text), new(part), limits.Settings)
		if says == "" {
			require.NoError(t, err, text)
		} else {
			require.EqualError(t, err, says, text)
		}
	}
}

func nines(n int) string { return strings.Repeat("9", n) }

// wordy is an Unmarshaler that always returns a long error.
type wordy struct{ length int }

func (w *wordy) UnmarshalJSON([]byte) error { return errors.New(strings.Repeat("x", w.length)) }

func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	require.EqualError(t, limits.Decode([]byte("1"), &wordy{511}, limits.Settings), strings.Repeat("x", 511))
	require.EqualError(t, limits.Decode([]byte("1"), &wordy{512}, limits.Settings), strings.Repeat("x", 512))
	require.EqualError(t, limits.Decode([]byte("1"), &wordy{513}, limits.Settings), strings.Repeat("x", 512)+"…")

	long := strings.Repeat("k", 10_000)
	var tokens map[string]int64
	err := limits.Decode([]byte(`{"`+long+`":"a"}`), &tokens, limits.Index)
	require.Error(t, err)
	require.Less(t, utf8.RuneCountInString(err.Error()), 600)
	require.ErrorContains(t, err, "must be a whole number of at most 64 bits, got string")
	var quoted struct {
		Count int `json:"count,string"`
	}
	err = limits.Decode([]byte(`{"count":"`+long+`"}`), &quoted, limits.Settings)
	require.Error(t, err)
	require.LessOrEqual(t, utf8.RuneCountInString(err.Error()), 513)
	require.Error(t, limits.Decode(nil, new(any), limits.Settings))
	require.Error(t, limits.Decode([]byte(`{"a":1`), new(any), limits.Settings))
	require.Error(t, limits.Decode([]byte(`]]]]`), new(any), limits.Settings))
}
