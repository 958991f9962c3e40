package audiofile

import (
	"fmt"
	"io"
	"math"

	"github.com/go-audio/audio"
	"github.com/go-audio/wav"
)

const (
	encodeBits   = 16
	encodeFrames = 4096 // handed to the encoder at a time
	// maxDataBytes is what a RIFF size can say beside the 36 bytes of headers
	// that it counts.
	maxDataBytes = math.MaxUint32 - 36
)

// WriteWAV16 writes mono or interleaved samples as 16-bit PCM. w must stand at
// its first byte; it stands at its end afterwards and is not closed. Samples
// beyond [-1, 1] are clipped; one that is not a finite number is an error, and
// then nothing has been written.
func WriteWAV16(w io.WriteSeeker, samples []float32, sampleRateHz, channels int) error {
	if err := checkEncode(samples, sampleRateHz, channels); err != nil {
		return fmt.Errorf("encode wav: %w", err)
	}
	// The encoder sets aside a minute of sound at the rate that it is made
	// with; it needs a few kilobytes, so the true rate is told afterwards.
	encoder := wav.NewEncoder(w, 1, encodeBits, channels, tagPCM)
	encoder.SampleRate = sampleRateHz

	block := &audio.IntBuffer{
		Format:         &audio.Format{NumChannels: channels, SampleRate: sampleRateHz},
		SourceBitDepth: encodeBits,
		Data:           make([]int, 0, min(len(samples), encodeFrames*channels)),
	}
	// Once even where there are no samples: the first call writes the header.
	for {
		n := min(len(samples), encodeFrames*channels)
		block.Data = block.Data[:n]
		for i, x := range samples[:n] {
			block.Data[i] = toInt16(x)
		}
		if err := encoder.Write(block); err != nil {
			return fmt.Errorf("encode wav: %w", err)
		}
		if samples = samples[n:]; len(samples) == 0 {
			break
		}
	}
	if err := encoder.Close(); err != nil {
		return fmt.Errorf("encode wav: %w", err)
	}
	return nil
}

func checkEncode(samples []float32, sampleRateHz, channels int) error {
	switch {
	case sampleRateHz < 1 || sampleRateHz > math.MaxUint32/8:
		return fmt.Errorf("sample rate of %d Hz", sampleRateHz)
	case channels < 1 || channels > math.MaxUint16/2:
		return fmt.Errorf("%d channels", channels)
	case len(samples)%channels != 0:
		return fmt.Errorf("%d samples are no whole frames of %d channels", len(samples), channels)
	case int64(len(samples))*2 > maxDataBytes:
		return fmt.Errorf("%d samples do not fit a WAV file", len(samples))
	}
	for i, x := range samples {
		if !isUsable(float64(x)) {
			return fmt.Errorf("sample %d is %v", i, x)
		}
	}
	return nil
}

// toInt16 is the inverse of the decoder's division by 32768.
func toInt16(x float32) int {
	return int(math.Round(min(max(float64(x)*32768, math.MinInt16), math.MaxInt16)))
}
