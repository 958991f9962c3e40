// Package audiofile reads audio files into float32 samples and writes them. It
// recognises a file's format from its content, holds it to limits, decodes WAV,
// FLAC, MP3 and Opus by streaming and the rest through ffmpeg, and writes WAV,
// FLAC and bare samples. It knows nothing of HTTP, tasks or models.
//
// No sound is lost in silence: files that stand one behind another are decoded
// to the end of the last or refused, and a Reader has a Warning where a file is
// cut short or where bytes behind the sound are left out.
//
// Files come from strangers. The chunk walk is bounded, nothing is allocated
// by a size that a file merely claims, and a panic while decoding becomes a
// fault. Every complaint about a file is a *services.Fault on the field "file"
// whose text is meant for the person who sent it.
package audiofile
