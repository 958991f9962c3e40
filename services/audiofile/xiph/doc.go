// Package xiph runs the reference decoders of Opus and Vorbis, libopus and libvorbis,
// as WebAssembly. Each decoder has its own memory of a fixed size and can reach nothing
// else, so that a damaged file can at most end its own decoder.
package xiph
