// Package analysis measures sound as a stream: levels, loudness, silence, spectrum,
// onsets, tempo, pitch and cepstral coefficients. It only computes: it reads no files and
// does not depend on models, tasks or formats. An Analyzer keeps a few values for each
// frame of 23 ms that the result depends on as a whole (about 60 kB a minute), and
// nothing else that grows with the recording.
//
// The definitions, with their sources, are in docs/analysis.md.
package analysis
