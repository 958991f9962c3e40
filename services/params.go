package services

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// DecodeParams reads a task's parameters strictly: unknown fields and text behind
// the value are faults. No parameters leave into as it is.
func DecodeParams(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		// A second value, or half of one, behind the first.
		if _, extra := decoder.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("text follows the JSON value")
		}
	}
	if err != nil {
		return Invalidf("params", "cannot be read: %v", err)
	}
	return nil
}
