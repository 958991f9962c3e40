// Package models embeds small models, trained by this project on synthesised sound, so
// that every task works without a download. Each folder has the layout of the public
// models of its kind and a model card.
package models

import "embed"

// FS has one folder for each embedded model.
//
//go:embed wav2vec2-tiny/README.md audioldm-tiny/README.md gama-tiny/README.md
//go:embed wav2vec2-tiny/*.json wav2vec2-tiny/model.onnx wav2vec2-tiny/words.txt
//go:embed audioldm-tiny/model_index.json audioldm-tiny/sounds.txt audioldm-tiny/*/*.json audioldm-tiny/*/*.onnx audioldm-tiny/*/*.txt
//go:embed gama-tiny/*.json gama-tiny/onnx/*.onnx
//go:embed clap-tiny/README.md clap-tiny/*.json clap-tiny/onnx/*.onnx
var FS embed.FS
