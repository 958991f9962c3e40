// Package tokenizer converts text to token ids like the tokenizers of public
// checkpoints: byte-level BPE and BPE with byte fallback, read from the files of a
// model's folder.
package tokenizer
