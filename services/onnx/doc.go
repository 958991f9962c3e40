// Package onnx is the only importer of onnxruntime_go: it finds and loads the
// ONNX Runtime library, opens sessions after checking their graph against what
// the caller expects, runs them with cancellation through the context, and
// gives native memory back to the operating system. It knows tensors, not
// models, and does no pre- or post-processing.
//
// The order of teardown is sessions, then the runtime; Runtime.Close refuses
// while a session is open.
package onnx
