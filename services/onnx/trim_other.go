//go:build !(linux && cgo)

package onnx

// TrimMemory does nothing because the C allocator has no such function.
func TrimMemory() {}

// tameAllocator does nothing because the C allocator has no such setting.
func tameAllocator() {}
