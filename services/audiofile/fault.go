package audiofile

import (
	"fmt"
	"runtime/debug"

	"github.com/grym-synth/grym-synth/services"
)

// field is what every fault of this package is about.
const field = "file"

// accepted ends each refusal of a format, so that the reader knows what to
// convert to.
const accepted = "accepted: WAV (8, 16, 24, 32-bit PCM, 32, 64-bit float, A-law, mu-law), FLAC, MP3, Ogg Opus, WebM with Opus; " +
	"others where the server has ffmpeg"

// refuse makes a fault of any kind whose text completes the sentence "file ...".
func refuse(kind services.Kind, format string, args ...any) *services.Fault {
	problem := fmt.Sprintf(format, args...)
	return &services.Fault{Kind: kind, Fields: []services.FieldError{{Field: field, Problem: problem}}}
}

// unsupported is refuse for a format that is not decoded here.
func unsupported(format string, args ...any) *services.Fault {
	return refuse(services.KindUnsupported, "%s; %s", fmt.Sprintf(format, args...), accepted)
}

// readFault classifies an error of the underlying reader: one that brings its
// own kind keeps it, any other is ours and not the file's.
func readFault(err error) error {
	if services.KindOf(err) != services.KindInternal {
		return fmt.Errorf("read audio: %w", err)
	}
	return services.Internal(err, "the audio could not be read")
}

// panicFault turns what recover gave into a fault. The stack goes to the log,
// because such a file is worth a test.
func panicFault(recovered any) *services.Fault {
	fault := services.Invalidf(field, "is damaged in a way that the decoder does not understand")
	fault.Err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
	return fault
}
