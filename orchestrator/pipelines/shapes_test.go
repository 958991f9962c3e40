package pipelines

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"github.com/stretchr/testify/require"
)

func TestASampleFitsItsSchema(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]any{
		`{"type":"string","default":"d"}`:                                      "d",
		`{"default":null}`:                                                     nil,
		`{"type":"string","enum":["a","b"]}`:                                   "a",
		`{"type":"string","enum":[]}`:                                          "x",
		`{"type":"string","enum":"a"}`:                                         "x",
		`{"type":"string"}`:                                                    "x",
		`{"type":"string","minLength":1}`:                                      "x",
		`{"type":"string","minLength":3}`:                                      "xxx",
		`{"type":"integer"}`:                                                   0.0,
		`{"type":"integer","minimum":7}`:                                       7.0,
		`{"type":"number","exclusiveMinimum":2}`:                               2.5,
		`{"type":"number","minimum":-1}`:                                       -1.0,
		`{"type":"boolean"}`:                                                   false,
		`{"type":"array","items":{"type":"boolean"}}`:                          []any{},
		`{"type":"array","minItems":2,"items":{"type":"string"}}`:              []any{"x", "x"},
		`{"type":"array","minItems":1}`:                                        []any{nil},
		`{"type":"object","properties":{"a":{"type":"string","default":"x"}}}`: map[string]any{},
		`{}`: nil,
	} {
		var schema map[string]any
		require.NoError(t, json.Unmarshal([]byte(raw), &schema))
		require.Equal(t, want, sampleOf(schema), raw)
	}
}

func TestTypesThatFitASchema(t *testing.T) {
	t.Parallel()
	object := types.NewObjectType("x")
	for _, c := range []struct {
		of    *types.Type
		words string
		fits  string
	}{
		{cel.StringType, "a string", "string"},
		{cel.BytesType, "bytes", "string"},
		{cel.TimestampType, "google.protobuf.Timestamp", "string"},
		{cel.DurationType, "google.protobuf.Duration", "string"},
		{cel.IntType, "a whole number", "integer number"},
		{cel.UintType, "a whole number", "integer number"},
		{cel.DoubleType, "a number", "number"},
		{cel.BoolType, "true or false", "boolean"},
		{cel.ListType(cel.IntType), "a list", "array"},
		{cel.MapType(cel.StringType, cel.IntType), "an object", "object"},
		{object, "an object", "object"},
		{cel.NullType, "null", "string integer number boolean array object"},
		{cel.DynType, "dyn", "string integer number boolean array object"},
	} {
		require.Equal(t, c.words, typeWords(c.of))
		for _, one := range []string{"string", "integer", "number", "boolean", "array", "object"} {
			want := one
			if slices.Contains(strings.Fields(c.fits), one) {
				want = ""
			}
			require.Equal(t, want, fits(c.of, map[string]any{"type": one}), c.words)
			require.Equal(t, want, fits(c.of, map[string]any{"type": []any{one}}), c.words)
		}
		require.Empty(t, fits(c.of, map[string]any{}))
	}
	require.Equal(t, "array or boolean", fits(cel.StringType, map[string]any{"type": []any{"array", "boolean"}}))
	require.Empty(t, fits(cel.StringType, map[string]any{"type": []any{"array", "string"}}))
}

// TestTheShapeOfAResult follows the JSON of Go types, and of schemas.
func TestTheShapeOfAResult(t *testing.T) {
	t.Parallel()
	type inner struct{ Deep []int }
	type outer struct {
		inner
		Named  *inner `json:"named,omitempty"`
		Plain  string
		Flag   bool               `json:"flag"`
		Ratio  float32            `json:"ratio"`
		Count  uint8              `json:"count"`
		Table  map[string]float64 `json:"table"`
		At     time.Time          `json:"at"`
		Any    any                `json:"any"`
		Hidden string             `json:"-"`
		secret string
	}
	_ = outer{}.secret
	s := shapeOf(reflect.TypeFor[*outer](), "o")
	require.Equal(t, map[string]*shape{
		"Deep": listOf(intShape), "named": object("o.named", map[string]*shape{"Deep": listOf(intShape)}), "Plain": stringShape,
		"flag":  boolShape,
		"ratio": doubleShape, "count": intShape, "table": {kind: kindMap, elem: doubleShape}, "at": anyShape, "any": anyShape,
	}, s.fields)
	var schema map[string]any
	require.NoError(t, json.Unmarshal([]byte(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},
		"b":{"type":"boolean"},
		"c":{"type":"number"},"d":{"type":"string"},"e":{"type":"object"},"f":{},"g":{"type":"array"}}}`), &schema))
	read := schemaShape(schema, "i")
	require.Equal(t, object("i", map[string]*shape{
		"a": listOf(intShape), "b": boolShape, "c": doubleShape, "d": stringShape, "e": {kind: kindMap, elem: anyShape}, "f": anyShape,
		"g": listOf(anyShape),
	}), read)
	known := make(map[string]*shape)
	require.Equal(t, types.ListKind, listOf(s).cel(known).Kind())
	require.Same(t, s, known["o"])
	for of, kind := range map[*shape]types.Kind{
		stringShape: types.StringKind, intShape: types.IntKind, doubleShape: types.DoubleKind, boolShape: types.BoolKind, anyShape: types.DynKind,
		{kind: kindMap, elem: intShape}: types.MapKind, s: types.StructKind,
	} {
		require.Equal(t, kind, of.cel(known).Kind())
	}

	decoded, err := decode([]byte(`{"a":[1,2.0,2.5],"c":1,"e":{"x":1},"f":1,"z":[{"y":3}],"d":4,"b":[5],"g":1e30}`))
	require.NoError(t, err)
	read.fields["g"] = intShape
	require.Equal(t, map[string]any{
		"a": []any{int64(1), int64(2), 2.5}, "c": 1.0, "e": map[string]any{"x": 1.0}, "f": 1.0, "z": []any{map[string]any{"y": 3.0}}, "d": 4.0,
		"b": []any{5.0}, "g": 1e30,
	}, read.convert(decoded))
	require.Equal(t, 0.0, intShape.number("1e999"))
	require.Equal(t, 0.0, doubleShape.number("x"))
	require.Equal(t, map[string]any{"x": int64(1)}, (&shape{kind: kindMap, elem: intShape}).convert(map[string]any{"x": json.Number("1")}))
}
