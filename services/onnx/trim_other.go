//go:build !(linux && cgo)

package onnx

// TrimMemory does nothing where the C allocator has no such call.
func TrimMemory() {}

// tameAllocator does nothing where the C allocator has no such setting.
func tameAllocator() {}
