package orchestrator

import (
	"fmt"
	"runtime/debug"

	"github.com/grym-synth/grym-synth/services"
)

// calm calls into the service and turns a panic into a fault. Tasks have the
// guard for that; starts, stops and the preparation of tasks do not go through it.
func (e *Registration) calm(call func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			e.log.Error("service panicked", "service", e.description.Name, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			err = services.Internal(fmt.Errorf("panic: %v", value), "%s failed unexpectedly", e.description.Name)
		}
	}()
	return call()
}
