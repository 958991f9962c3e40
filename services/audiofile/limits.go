package audiofile

import (
	"fmt"
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Limits bound what Open accepts. A zero field sets no limit. Safe to copy.
type Limits struct {
	// MaxBytes of the whole file.
	MaxBytes int64
	// MaxDuration of the recording.
	MaxDuration time.Duration
	// MaxChannels that are interleaved in the file.
	MaxChannels int
	// MinSampleRateHz and MaxSampleRateHz, both included.
	MinSampleRateHz, MaxSampleRateHz int

	// Strict refuses a file that is cut short. Else it is decoded up to there, with
	// the warning services.WarnTruncated.
	Strict bool

	// FFmpeg is the path of the program that decodes what is not decoded here;
	// empty for none.
	FFmpeg string
	// FFmpegTimeout bounds its work on one file.
	FFmpegTimeout time.Duration
}

// DefaultLimits is 256 MiB, 2 hours, 8 channels and 8 to 192 kHz: above what
// speech and sound effects come as, below what fills a small machine's disk.
func DefaultLimits() Limits {
	return Limits{
		MaxBytes:        256 << 20,
		MaxDuration:     2 * time.Hour,
		MaxChannels:     8,
		MinSampleRateHz: 8000,
		MaxSampleRateHz: 192000,
	}
}

// checkBytes runs before anything is read.
func (l Limits) checkBytes(size int64) error {
	if l.MaxBytes <= 0 || size <= l.MaxBytes {
		return nil
	}
	return refuse(services.KindTooLarge, "is %d bytes (%s), the limit is %d bytes (%s)",
		size, services.Bytes(size), l.MaxBytes, services.Bytes(l.MaxBytes))
}

// checkFormat tells every limit that a format is over, not only the first.
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
	// Too low a rate is not "too large": the person must send another recording.
	if f.SampleRateHz < l.MinSampleRateHz {
		return services.Invalidf(field, "has a sample rate of %d Hz, the least is %d Hz", f.SampleRateHz, l.MinSampleRateHz)
	}
	return nil
}

// checkLength holds what was read so far to the limit, because not every file
// tells its length.
func (l Limits) checkLength(frames int64, sampleRateHz int) error {
	if l.MaxDuration <= 0 || duration(frames, sampleRateHz) <= l.MaxDuration {
		return nil
	}
	return refuse(services.KindTooLarge, "lasts more than the limit of %s", l.MaxDuration)
}

// duration of a number of frames; the largest Duration where it does not fit.
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
