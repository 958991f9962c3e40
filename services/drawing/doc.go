// Package drawing draws recordings: waveforms, spectrograms and loudness over time, as PNG
// or SVG with axes, and computes the peaks that players draw. Samples are written as a
// stream; what is held depends on the size of the picture and not on the recording.
package drawing
