// Package audiofile owns the road between bytes of an audio file and float32
// samples: it tells a file's format from its content, holds it to limits,
// decodes WAV, FLAC, MP3 and Opus by streaming and the rest through ffmpeg, and
// writes WAV, FLAC and bare samples. It knows nothing of HTTP, tasks or models.
//
// Files come from strangers. The chunk walk is bounded, nothing is allocated
// by a size that a file merely claims, and a panic while decoding becomes a
// fault. Every complaint about a file is a *services.Fault on the field "file"
// whose text is meant for the person who sent it.
package audiofile
