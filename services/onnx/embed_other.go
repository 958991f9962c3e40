//go:build !(linux && (amd64 || arm64)) && !(darwin && arm64)

package onnx

import "embed"

// There is no pinned release of ONNX Runtime for this platform, so onnx.libraryPath
// must be set.
var embeddedLibrary embed.FS
