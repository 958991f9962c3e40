// Package dsp owns the arithmetic on samples that stands before and behind the
// models: mixing channels down, normalising, changing the sample rate. It is
// pure numbers: it reads no files, starts no goroutines and knows nothing of
// models, tasks or formats.
package dsp
