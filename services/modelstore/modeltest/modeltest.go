// Package modeltest has helpers for the tests of services with models: one runtime for
// the process, and memory without a budget.
package modeltest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Main is the TestMain of a package. It runs the tests with the process's only runtime
// in *rt, and fails if they leave a session open or a goroutine running.
func Main(m *testing.M, rt **onnx.Runtime) {
	opened, err := onnx.Open(onnx.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	*rt = opened
	code := m.Run()
	for _, err := range []error{opened.Close(context.Background()), goleak.Find()} {
		if err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// FreeMemory is a services.Residency without a limit.
type FreeMemory struct{}

// Hold implements services.Residency.
func (FreeMemory) Hold(context.Context, string, string, services.Bytes, func(context.Context) error) services.Resident {
	return FreeMemory{}
}

// Touch implements services.Resident.
func (FreeMemory) Touch() {}

// Release implements services.Resident.
func (FreeMemory) Release() {}
