package onnx

import "embed"

//go:embed lib/linux_arm64
var embeddedLibrary embed.FS
