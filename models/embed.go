// Package models holds the models inside the binary: small ones that we
// trained ourselves on synthesised sound, so that everything works at once.
// Each folder has the layout of its public kin and a card that says what it is.
package models

import "embed"

// FS has one folder for each embedded model.
//
//go:embed wav2vec2-tiny/*.json wav2vec2-tiny/model.onnx wav2vec2-tiny/words.txt
//go:embed audioldm-tiny/model_index.json audioldm-tiny/*/*.json audioldm-tiny/*/*.onnx audioldm-tiny/*/*.txt
//go:embed gama-tiny/*.json gama-tiny/onnx/*.onnx
var FS embed.FS
