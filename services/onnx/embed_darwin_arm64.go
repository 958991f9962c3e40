package onnx

import "embed"

//go:embed lib/darwin_arm64
var embeddedLibrary embed.FS
