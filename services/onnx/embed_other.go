//go:build !(linux && (amd64 || arm64)) && !(darwin && arm64)

package onnx

import "embed"

// No release of ONNX Runtime is pinned for this platform: onnx.libraryPath is needed.
var embeddedLibrary embed.FS
