package web

import "time"

// Value returns a field that may be left out, zero where it is.
func Value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// Unless returns nil for the value that is left out.
func Unless[T comparable](value, left T) *T {
	if value == left {
		return nil
	}
	return &value
}

// UnlessZero returns nil for the zero time.
func UnlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
