// Package export embeds the programs that make model folders of PyTorch checkpoints.
package export

import "embed"

// Exporters is a list of the exporters: the kind of checkpoint, the service that loads what is
// made of it, the script with its arguments, the sources of which the first may be a
// repository, its files by folder, and the precisions, the default first.
//
//go:embed exporters.json
var Exporters []byte

// FS has the exporters with what they import.
//
//go:embed audioldm.py audioldm_compare.py audioldm_random.py audioldm_parts/*.py
//go:embed gama.py gama_parts/*.py gama_parts/run.mjs
var FS embed.FS
