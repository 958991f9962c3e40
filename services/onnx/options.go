package onnx

import (
	"errors"
	"runtime"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sys/cpu"
)

// options returns the engine's settings of a session. The caller destroys them.
func (c SessionConfig) options() (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	spin := "1"
	if c.Concurrent || c.Spin <= 0 {
		spin = "0"
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(max(1, c.Threads)),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(ort.ExecutionModeSequential),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		options.SetMemPattern(!c.NoPlan),
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
		options.AddSessionConfigEntry("session.intra_op.spin_duration_us", strconv.FormatInt(c.Spin.Microseconds(), 10)),
	)
	if bytesSaturate() {
		// The engine then treats the weights as unsigned, which takes almost twice as long.
		err = errors.Join(err, options.AddSessionConfigEntry("session.x64quantprecision", "1"))
	}
	if c.pooled {
		err = errors.Join(err, options.AddSessionConfigEntry("session.use_env_allocators", "1"))
	}
	if c.withoutFusion != "" {
		err = errors.Join(err, options.AddSessionConfigEntry("optimization.disable_specified_optimizers", c.withoutFusion))
	}
	if err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

// bytesSaturate reports whether sums of products of unsigned and signed bytes saturate in 16
// bits, as they do on x86 processors without VNNI.
func bytesSaturate() bool {
	return runtime.GOARCH == "amd64" && !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI && !cpu.X86.HasAMXInt8
}
