// Package audiofile converts between audio files and float32 samples: it detects a
// file's format from its content, enforces limits, decodes PCM, FLAC, ALAC, MP3, MP2,
// Opus and Vorbis in their usual containers as streams and other formats through ffmpeg,
// and writes WAV, FLAC and raw samples. It does not depend on HTTP, tasks or models.
//
// Joined files are decoded to the end of the last, or refused. A Reader has a warning if
// a file is truncated or if bytes after the sound are left out.
//
// Files are untrusted. The number of chunks is limited, no allocation depends on a size
// that a file merely claims, and a panic while decoding becomes a fault. Every error
// about a file is a *services.Fault on the field "file" with a text for the person who
// sent it.
package audiofile
