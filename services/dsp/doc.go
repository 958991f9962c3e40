// Package dsp implements the signal processing before and after the models: mixing
// channels down, normalisation, sample rate conversion and filter banks. It only
// computes: it reads no files, starts no goroutines and does not depend on models,
// tasks or formats.
package dsp
