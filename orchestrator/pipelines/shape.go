package pipelines

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
)

// kind of a shape.
type kind int

const (
	kindAny kind = iota
	kindString
	kindInt
	kindDouble
	kindBool
	kindList
	kindMap
	kindObject
)

// shape is the type of a JSON value, as far as it is known.
type shape struct {
	kind kind
	// elem is that of the items of a list and of the values of a map.
	elem *shape
	// name of an object among the types of an environment, and its fields.
	name   string
	fields map[string]*shape
}

// plain are the shapes without parts.
var (
	anyShape    = &shape{kind: kindAny}
	stringShape = &shape{kind: kindString}
	intShape    = &shape{kind: kindInt}
	doubleShape = &shape{kind: kindDouble}
	boolShape   = &shape{kind: kindBool}
)

func listOf(elem *shape) *shape { return &shape{kind: kindList, elem: elem} }

func object(name string, fields map[string]*shape) *shape {
	return &shape{kind: kindObject, name: name, fields: fields}
}

// shapeOf returns the shape of the JSON of a Go type.
func shapeOf(t reflect.Type, name string) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
		return anyShape
	}
	switch t.Kind() {
	case reflect.String:
		return stringShape
	case reflect.Bool:
		return boolShape
	case reflect.Float32, reflect.Float64:
		return doubleShape
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return intShape
	case reflect.Slice, reflect.Array:
		return listOf(shapeOf(t.Elem(), name+".item"))
	case reflect.Map:
		return &shape{kind: kindMap, elem: shapeOf(t.Elem(), name+".value")}
	case reflect.Struct:
		fields := make(map[string]*shape)
		addFields(t, name, fields)
		return object(name, fields)
	}
	return anyShape
}

// addFields adds the fields of a struct, with those of embedded ones.
func addFields(t reflect.Type, name string, fields map[string]*shape) {
	for field := range t.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case tag == "-":
		case field.Anonymous && tag == "" && field.Type.Kind() == reflect.Struct:
			addFields(field.Type, name, fields) // as encoding/json does, also of an unexported type
		case !field.IsExported():
		case tag == "":
			fields[field.Name] = shapeOf(field.Type, name+"."+field.Name)
		default:
			fields[tag] = shapeOf(field.Type, name+"."+tag)
		}
	}
}

// schemaShape returns the shape of the values of a JSON Schema.
func schemaShape(schema map[string]any, name string) *shape {
	switch schema["type"] {
	case "string":
		return stringShape
	case "integer":
		return intShape
	case "number":
		return doubleShape
	case "boolean":
		return boolShape
	case "array":
		items, _ := schema["items"].(map[string]any)
		return listOf(schemaShape(items, name+".item"))
	case "object":
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return &shape{kind: kindMap, elem: anyShape}
		}
		fields := make(map[string]*shape)
		for key, one := range properties {
			of, _ := one.(map[string]any)
			fields[key] = schemaShape(of, name+"."+key)
		}
		return object(name, fields)
	}
	return anyShape
}

// cel returns the type of the shape in expressions, and adds its objects to known.
func (s *shape) cel(known map[string]*shape) *types.Type {
	switch s.kind {
	case kindString:
		return types.StringType
	case kindInt:
		return types.IntType
	case kindDouble:
		return types.DoubleType
	case kindBool:
		return types.BoolType
	case kindList:
		return types.NewListType(s.elem.cel(known))
	case kindMap:
		return types.NewMapType(types.StringType, s.elem.cel(known))
	case kindObject:
		known[s.name] = s
		return types.NewObjectType(s.name)
	}
	return types.DynType
}

// convert returns a decoded JSON value with its numbers as the types of the shape, because
// expressions distinguish whole numbers from others. Other numbers are float64.
func (s *shape) convert(value any) any {
	switch v := value.(type) {
	case json.Number:
		return s.number(v)
	case []any:
		elem := anyShape
		if s.kind == kindList {
			elem = s.elem
		}
		for i := range v {
			v[i] = elem.convert(v[i])
		}
	case map[string]any:
		for key := range v {
			field := anyShape
			switch {
			case s.kind == kindMap:
				field = s.elem
			case s.kind == kindObject && s.fields[key] != nil:
				field = s.fields[key]
			}
			v[key] = field.convert(v[key])
		}
	}
	return value
}

func (s *shape) number(text json.Number) any {
	if s.kind == kindInt {
		if n, err := text.Int64(); err == nil {
			return n
		}
	}
	f, err := text.Float64()
	if err != nil {
		return 0.0
	}
	if s.kind == kindInt && f == math.Trunc(f) && math.Abs(f) < 1<<62 {
		return int64(f)
	}
	return f
}
