// Package tokenizer turns text into token ids as the tokenizers of public
// checkpoints do: byte-level BPE, from the files that stand beside a model.
package tokenizer
