// Package gama answers questions about sounds with audio language models: an audio
// encoder whose output precedes or replaces tokens of the prompt, and a decoder with a
// key-value cache. All are ONNX graphs in the layout of transformers.js.
package gama
