package audiofile

import (
	"fmt"
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Limits are the limits enforced by Open. A zero field is unlimited. Safe to copy.
type Limits struct {
	// MaxBytes is the maximum size of the file.
	MaxBytes int64
	// MaxDuration is the maximum length of the recording.
	MaxDuration time.Duration
	// MaxChannels is the maximum number of interleaved channels.
	MaxChannels int
	// MinSampleRateHz and MaxSampleRateHz are inclusive.
	MinSampleRateHz, MaxSampleRateHz int

	// Strict rejects truncated files. Otherwise a file is decoded up to its end with
	// the warning services.WarnTruncated.
	Strict bool

	// Start and End select a part of the recording in seconds; an End of 0 is its end.
	// Only the part is decoded if the format allows it, and only its length is limited.
	Start, End float64

	// FFmpeg is the path of the program for formats that are not decoded natively;
	// empty for none.
	FFmpeg string
	// FFmpegTimeout limits its time for one file.
	FFmpegTimeout time.Duration
}

// Of returns the limits for a part of a recording.
func (l Limits) Of(reading services.Reading) Limits {
	l.Strict = l.Strict || reading.Strict
	l.Start, l.End = reading.Start, reading.End
	return l
}

// DefaultLimits returns 256 MiB, 4 hours, 8 channels and 8 to 192 kHz: above the usual
// formats of speech and sound effects, and below what would fill a small machine's
// disk.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes:        256 << 20,
		MaxDuration:     4 * time.Hour,
		MaxChannels:     8,
		MinSampleRateHz: 8000,
		MaxSampleRateHz: 192000,
	}
}

// checkBytes is called before anything is read.
func (l Limits) checkBytes(size int64) error {
	if l.MaxBytes <= 0 || size <= l.MaxBytes {
		return nil
	}
	return refuse(services.KindTooLarge, "is %d bytes (%s), the limit is %d bytes (%s)",
		size, services.Bytes(size), l.MaxBytes, services.Bytes(l.MaxBytes))
}

// checkFormat returns a fault with every limit that a format exceeds.
func (l Limits) checkFormat(f Format) error {
	var problems []string
	if d := f.Duration(); l.MaxDuration > 0 && d > l.MaxDuration {
		problems = append(problems, fmt.Sprintf("lasts %s, the limit is %s", d.Round(time.Millisecond), l.MaxDuration))
	}
	if l.MaxChannels > 0 && f.Channels > l.MaxChannels {
		problems = append(problems, fmt.Sprintf("has %d channels, the limit is %d", f.Channels, l.MaxChannels))
	}
	if l.MaxSampleRateHz > 0 && f.SampleRateHz > l.MaxSampleRateHz {
		problems = append(problems, fmt.Sprintf("has a sample rate of %d Hz, the limit is %d Hz", f.SampleRateHz, l.MaxSampleRateHz))
	}
	if len(problems) > 0 {
		fault := &services.Fault{Kind: services.KindTooLarge}
		for _, problem := range problems {
			fault.Fields = append(fault.Fields, services.FieldError{Field: field, Problem: problem})
		}
		return fault
	}
	// A low rate is not KindTooLarge, because the client must send another recording.
	if f.SampleRateHz < l.MinSampleRateHz {
		return services.Invalidf(field, "has a sample rate of %d Hz, the least is %d Hz", f.SampleRateHz, l.MinSampleRateHz)
	}
	return nil
}

// checkLength compares the length read so far with the limit, because not every file
// states its length.
func (l Limits) checkLength(frames int64, sampleRateHz int) error {
	if l.MaxDuration <= 0 || duration(frames, sampleRateHz) <= l.MaxDuration {
		return nil
	}
	return refuse(services.KindTooLarge, "lasts more than the limit of %s", l.MaxDuration)
}

// duration returns the duration of a number of frames, or the largest Duration if it
// overflows.
func duration(frames int64, sampleRateHz int) time.Duration {
	if sampleRateHz <= 0 {
		return 0
	}
	rate := int64(sampleRateHz)
	seconds, rest := frames/rate, frames%rate
	if seconds >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds)*time.Second + time.Duration(rest*int64(time.Second)/rate)
}
