package audiofile

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// Container is a file format that can be written.
type Container string

// Values of Container.
const (
	WAV  Container = "wav"
	FLAC Container = "flac"
	// Raw is a file of interleaved little-endian samples without a header.
	Raw Container = "pcm"
	// MP3, Opus and Vorbis, both in Ogg, and AAC with ADTS headers are written by ffmpeg.
	MP3    Container = "mp3"
	Opus   Container = "opus"
	Vorbis Container = "ogg"
	AAC    Container = "aac"
)

// Depth is the format of a written sample.
type Depth string

// Values of Depth: integers of the given number of bits, or 32-bit float. FLAC supports
// the first two only; what ffmpeg writes has none.
const (
	Depth16    Depth = "16"
	Depth24    Depth = "24"
	Depth32    Depth = "32"
	DepthFloat Depth = "float"
)

// Containers returns every Container.
func Containers() []Container { return append(ownContainers(), MP3, Opus, Vorbis, AAC) }

// ownContainers are those that need no ffmpeg.
func ownContainers() []Container { return []Container{WAV, FLAC, Raw} }

// IsCompressed reports whether the size of a file is only known once it is written.
func (o Output) IsCompressed() bool { return o.Container == FLAC || o.Container.NeedsFFmpeg() }

// NewOutput returns the output with the names of container and depth that a request has.
// Empty ones are WAV and 16 bits, if the container has a depth. The program of limits
// writes what is not written natively.
func NewOutput(container, depth string, limits Limits) Output {
	o := Output{Container: Container(cmp.Or(container, string(WAV))), Depth: Depth(depth), FFmpeg: limits.FFmpeg}
	if !o.Container.NeedsFFmpeg() {
		o.Depth = cmp.Or(o.Depth, Depth16)
	}
	return o
}

// Depths returns every Depth.
func Depths() []Depth { return []Depth{Depth16, Depth24, Depth32, DepthFloat} }

// Limits of written files.
const (
	maxOutputChannels = 8
	maxOutputRateHz   = 192000
)

// Output describes the file that a Writer writes.
type Output struct {
	Container    Container
	Depth        Depth
	SampleRateHz int
	Channels     int
	// FFmpeg is the path of the program; empty if there is none.
	FFmpeg string
}

// ContentType returns the HTTP Content-Type. Raw samples have no header, so it includes
// the rate and the channels.
func (o Output) ContentType() string {
	if kind, ok := lossies[o.Container]; ok {
		return kind.contentType
	}
	switch o.Container {
	case FLAC:
		return "audio/flac"
	case Raw:
		return fmt.Sprintf("audio/pcm;rate=%d;channels=%d;encoding=%s", o.SampleRateHz, o.Channels, o.Encoding())
	default:
		return "audio/wav"
	}
}

// Encoding returns the encoding of the samples, named as in ffmpeg.
func (o Output) Encoding() string {
	kind, ok := lossies[o.Container]
	switch {
	case ok:
		return kind.encoding
	case o.Container == FLAC:
		return "flac"
	case o.Depth == DepthFloat:
		return "pcm_f32le"
	default:
		return "pcm_s" + string(o.Depth) + "le"
	}
}

// sampleBytes returns the size of one uncompressed sample of one channel.
func (o Output) sampleBytes() int {
	switch o.Depth {
	case Depth16:
		return 2
	case Depth24:
		return 3
	default:
		return 4
	}
}

// Bytes returns the size of a file with the given number of frames, without tags: exact
// for WAV and raw samples, otherwise an upper bound.
func (o Output) Bytes(frames int64) int64 {
	size := frames * int64(o.sampleBytes()*o.Channels)
	switch o.Container {
	case WAV:
		return size + size%2 + int64(len(o.wavHeader(0, 0)))
	case FLAC:
		// Incompressible blocks are stored uncompressed after a small header.
		return size + size/64 + (frames/flacBlock+2)*64
	case Raw:
		return size
	default:
		return frames*int64(2*o.Channels) + 1<<16 // 16 bits
	}
}

// Validate returns a fault that lists every invalid field. The fields are named
// container, bit_depth, sample_rate and channels.
func (o Output) Validate() error {
	var fields []services.FieldError
	bad := func(field, format string, args ...any) {
		fields = append(fields, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	kind, external := lossies[o.Container]
	switch {
	case !slices.Contains(Containers(), o.Container):
		bad("container", "must be one of %s, got %q", join(Containers()), o.Container)
	case external && o.FFmpeg == "":
		bad("container", "can be %s only with ffmpeg, which this server does not have; without it there are %s", o.Container,
			join(ownContainers()))
	}
	switch {
	case external && o.Depth != "":
		bad("bit_depth", "does not apply to %s, got %q", o.Container, o.Depth)
	case external:
	case !slices.Contains(Depths(), o.Depth):
		bad("bit_depth", "must be one of %s, got %q", join(Depths()), o.Depth)
	case o.Container == FLAC && o.Depth != Depth16 && o.Depth != Depth24:
		bad("bit_depth", "must be 16 or 24 for flac, got %q", o.Depth)
	}
	switch {
	case o.SampleRateHz < 1 || o.SampleRateHz > maxOutputRateHz:
		bad("sample_rate", "must be 1 to %d Hz, got %d", maxOutputRateHz, o.SampleRateHz)
	case kind.rates != nil && !slices.Contains(kind.rates, o.SampleRateHz):
		bad("sample_rate", "must be one of %s for %s, got %d", joinInts(kind.rates), o.Container, o.SampleRateHz)
	}
	switch {
	case o.Channels < 1 || o.Channels > maxOutputChannels:
		bad("channels", "must be 1 to %d, got %d", maxOutputChannels, o.Channels)
	case external && !slices.Contains(kind.channels, o.Channels):
		bad("channels", "must be one of %s for %s, got %d", joinInts(kind.channels), o.Container, o.Channels)
	}
	if len(fields) > 0 {
		return &services.Fault{Kind: services.KindInvalid, Fields: fields}
	}
	return nil
}

// Fits returns a fault if the container cannot hold the given length.
func (o Output) Fits(frames int64) error {
	if o.Container == WAV && o.Bytes(frames) > math.MaxUint32 {
		return &services.Fault{Kind: services.KindTooLarge, Fields: []services.FieldError{{
			Field: "container",
			Problem: fmt.Sprintf("wav holds at most 4 GiB, these %d frames need %s; use flac or pcm", frames,
				services.Bytes(o.Bytes(frames))),
		}}}
	}
	return nil
}

func joinInts(values []int) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = strconv.Itoa(v)
	}
	return strings.Join(names, ", ")
}

func join[T ~string](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}
