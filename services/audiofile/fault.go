package audiofile

import (
	"fmt"
	"runtime/debug"

	"github.com/grym-synth/grym-synth/services"
)

// field is the field of every fault of this package.
const field = "file"

// accepted is appended to every refusal of a format, so that the reader knows the
// alternatives.
const accepted = "accepted: WAV, AIFF, AU, CAF and Wave64 with PCM, float, A-law or mu-law, FLAC, ALAC, MP3, MP2, Opus and Vorbis " +
	"in Ogg, WebM, MP4 or M4A; others, such as AAC, where the server has ffmpeg"

// refuse returns a fault whose text completes the sentence "file ...".
func refuse(kind services.Kind, format string, args ...any) *services.Fault {
	problem := fmt.Sprintf(format, args...)
	return &services.Fault{Kind: kind, Fields: []services.FieldError{{Field: field, Problem: problem}}}
}

// unsupported is refuse for a format that cannot be decoded.
func unsupported(format string, args ...any) *services.Fault {
	return refuse(services.KindUnsupported, "%s; %s", fmt.Sprintf(format, args...), accepted)
}

// readFault classifies an error of the underlying reader. A fault keeps its kind; any
// other error is internal because it is not caused by the file.
func readFault(err error) error {
	if services.KindOf(err) != services.KindInternal {
		return fmt.Errorf("read audio: %w", err)
	}
	return services.Internal(err, "the audio could not be read")
}

// panicFault converts a recovered value to a fault. The stack is logged because the
// file should become a test.
func panicFault(recovered any) *services.Fault {
	fault := services.Invalidf(field, "is damaged in a way that the decoder does not understand")
	fault.Err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
	return fault
}
