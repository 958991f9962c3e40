// Package onnx is the only importer of onnxruntime_go. It finds and loads the ONNX
// Runtime library, opens sessions after checking their graphs against a Contract, runs
// them with cancellation through the context, and returns native memory to the
// operating system. It handles tensors, not models, and does no pre- or postprocessing.
//
// Sessions must be closed before the Runtime; Runtime.Close fails while a session is
// open.
package onnx
