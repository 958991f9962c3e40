// Package export embeds the programs that make model folders of PyTorch checkpoints.
package export

import "embed"

// FS has the exporters with what they import.
//
//go:embed audioldm.py audioldm_compare.py audioldm_random.py audioldm_parts/*.py
//go:embed gama.py gama_parts/*.py gama_parts/run.mjs
var FS embed.FS
