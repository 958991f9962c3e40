package audiofile

import (
	"context"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// WriteWAV16 writes mono or interleaved samples as 16-bit PCM. w must be at its first
// byte. It is left at its end and not closed. Samples beyond [-1, 1] are clipped. If a
// sample is not finite, nothing is written and an error is returned.
func WriteWAV16(w io.WriteSeeker, samples []float32, sampleRateHz, channels int) error {
	for i, x := range samples {
		if !isUsable(float64(x)) {
			return services.Internal(fmt.Errorf("sample %d is %v", i, x), "the sound contains a value that is not a number")
		}
	}
	out := Output{Container: WAV, Depth: Depth16, SampleRateHz: sampleRateHz, Channels: channels}
	if err := out.Validate(); err != nil {
		return err
	}
	if len(samples)%channels != 0 {
		return fmt.Errorf("encode wav: %d samples are not a multiple of %d channels", len(samples), channels)
	}
	writer, err := NewWriter(context.Background(), w, out) // which starts nothing
	if err != nil {
		return err
	}
	if err := writer.WriteFrames(samples); err != nil {
		return err
	}
	return writer.Close()
}
