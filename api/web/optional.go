package web

import "time"

// Value returns an optional field's value, or the zero value if it is missing.
func Value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// Unless returns a pointer to value, or nil if value equals left.
func Unless[T comparable](value, left T) *T {
	if value == left {
		return nil
	}
	return &value
}

// UnlessZero returns a pointer to t, or nil if t is the zero time.
func UnlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
