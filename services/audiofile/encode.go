package audiofile

import (
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// WriteWAV16 writes mono or interleaved samples as 16-bit PCM. w must stand at
// its first byte; it stands at its end afterwards and is not closed. Samples
// beyond [-1, 1] are clipped; one that is not a finite number is an error, and
// then nothing has been written.
func WriteWAV16(w io.WriteSeeker, samples []float32, sampleRateHz, channels int) error {
	for i, x := range samples {
		if !isUsable(float64(x)) {
			return services.Internal(fmt.Errorf("sample %d is %v", i, x), "the sound holds a value that is no number")
		}
	}
	out := Output{Container: WAV, Depth: Depth16, SampleRateHz: sampleRateHz, Channels: channels}
	if err := out.Validate(); err != nil {
		return err
	}
	if len(samples)%channels != 0 {
		return fmt.Errorf("encode wav: %d samples are no whole frames of %d channels", len(samples), channels)
	}
	writer, err := NewWriter(w, out)
	if err != nil {
		return err
	}
	if err := writer.WriteFrames(samples); err != nil {
		return err
	}
	return writer.Close()
}
