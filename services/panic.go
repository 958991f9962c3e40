package services

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// PanicError is a recovered panic.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value; the stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// CatchPanic calls fn and returns its error. A panic is logged with its stack and
// returned as a KindInternal fault that wraps a PanicError. Its message begins with
// name.
func CatchPanic(log *slog.Logger, name string, fn func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			panicked := &PanicError{Value: value, Stack: debug.Stack()}
			log.Error("service panicked", "panic", fmt.Sprint(value), "stack", string(panicked.Stack))
			err = Internal(panicked, "%s failed unexpectedly", name)
		}
	}()
	return fn()
}
