package onnx

import "embed"

//go:embed lib/linux_amd64
var embeddedLibrary embed.FS
