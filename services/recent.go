package services

import "iter"

// Recent holds the latest values of a series, such as the latencies of tasks, up to a
// limit. The limit of the zero value is zero. Not safe for concurrent use.
type Recent[T any] struct {
	limit  int
	values []T // a ring once it is full
	oldest int
}

// NewRecent returns a Recent that holds at most limit values.
func NewRecent[T any](limit int) Recent[T] { return Recent[T]{limit: limit} }

// Add adds a value, replacing the oldest one if the limit has been reached.
func (r *Recent[T]) Add(value T) {
	switch {
	case len(r.values) < r.limit:
		r.values = append(r.values, value)
	case r.limit > 0:
		r.values[r.oldest] = value
		r.oldest = (r.oldest + 1) % r.limit
	}
}

// Len returns the number of values.
func (r *Recent[T]) Len() int { return len(r.values) }

// All returns the values, the oldest first.
func (r *Recent[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range r.values {
			if !yield(r.values[(r.oldest+i)%len(r.values)]) {
				return
			}
		}
	}
}

// Clear removes every value.
func (r *Recent[T]) Clear() { r.values, r.oldest = nil, 0 }
