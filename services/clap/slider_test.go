package clap

import "context"

// taking returns a function for tracks that never fails.
func taking(do func(units []float32)) func(context.Context, []float32) error {
	return func(_ context.Context, units []float32) error {
		do(units)
		return nil
	}
}
