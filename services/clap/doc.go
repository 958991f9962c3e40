// Package clap runs audio encoders: models with a space that sounds and texts share (CLAP),
// from folders in the layout of transformers.js, and the Audio Spectrogram Transformer. It
// returns vectors of sounds and texts, and labels. It does not depend on HTTP, queues or
// memory budgets.
package clap
