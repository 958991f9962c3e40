// Package gama answers questions about sounds with audio language models: an audio
// encoder whose rows stand before or among the words, and a decoder with a
// key-value cache, all of them ONNX graphs in the layout of transformers.js.
package gama
