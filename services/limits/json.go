package limits

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Size limits a JSON document. The number of values is limited as well, because a value
// can take many times as much memory as text: {} has two bytes.
type Size struct {
	Bytes, Values int
}

// Settings is the limit for configuration files, and Index for files with an entry for
// each token of a vocabulary.
var (
	Settings = Size{Bytes: 4 << 20, Values: 1 << 18}
	Index    = Size{Bytes: 32 << 20, Values: Vocabulary}
)

// maxDepth is the maximum nesting of arrays and objects; encoding/json allows 10,000.
const maxDepth = 64

// maxErrorBytes is the maximum length of an error text, which may quote the file.
const maxErrorBytes = 512

// Decode is json.Unmarshal for untrusted documents. It checks the size before it
// decodes anything, and its errors have a bounded length.
func Decode(data []byte, into any, size Size) error {
	if len(data) > size.Bytes {
		return fmt.Errorf("must be at most %d bytes, got %d", size.Bytes, len(data))
	}
	if err := measure(data, size.Values); err != nil {
		return err
	}
	err := json.Unmarshal(data, into)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("%s must be %s, got %.64s", fieldOf(wrongType), describe(wrongType), wrongType.Value)
	}
	if err != nil && len(err.Error()) > maxErrorBytes {
		return fmt.Errorf("%.*s…", maxErrorBytes, err.Error())
	}
	return err
}

func fieldOf(err *json.UnmarshalTypeError) string {
	if err.Field == "" {
		return "a value"
	}
	return fmt.Sprintf("%.200s", err.Field)
}

// describe returns the type that the field must have.
func describe(err *json.UnmarshalTypeError) string {
	if err.Type == nil {
		return "of another type"
	}
	switch kind := err.Type.Kind().String(); kind {
	case "int", "int64":
		return "a whole number of at most 64 bits"
	case "float32", "float64":
		return "a number of type " + kind
	case "map", "struct":
		return "an object"
	case "slice":
		return "a list"
	default:
		return "a " + kind
	}
}

// measure counts the values of a JSON document and checks their nesting. It does not
// check the syntax, which is left to the decoder.
func measure(data []byte, most int) error {
	values, depth, quoted := 1, 0, false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case ',':
			values++
		case '[', '{':
			values++
			depth++
		case ']', '}':
			depth--
		default:
			continue
		}
		if depth > maxDepth {
			return fmt.Errorf("must be nested at most %d deep, byte %d is deeper", maxDepth, i)
		}
		if values > most+1 {
			return fmt.Errorf("must hold at most %d values, got more", most)
		}
	}
	return nil
}
