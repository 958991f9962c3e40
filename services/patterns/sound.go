package patterns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// sound is mono sound in memory.
type sound struct {
	samples []float32
	rate    int
}

// seconds returns the length.
func (s sound) seconds() float64 { return float64(len(s.samples)) / float64(s.rate) }

// wavHeader is the length of the header of wave.
const wavHeader = 44

// wave is sound as a WAV file of float samples in memory.
type wave []byte

// source returns the sound as the input of a task.
func (s sound) source() wave {
	w := make(wave, wavHeader, wavHeader+4*len(s.samples))
	copy(w, "RIFF")
	data := 4 * len(s.samples)
	binary.LittleEndian.PutUint32(w[4:], uint32(wavHeader-8+data))
	copy(w[8:], "WAVEfmt ")
	binary.LittleEndian.PutUint32(w[16:], 16)
	binary.LittleEndian.PutUint16(w[20:], 3) // float
	binary.LittleEndian.PutUint16(w[22:], 1)
	binary.LittleEndian.PutUint32(w[24:], uint32(s.rate))
	binary.LittleEndian.PutUint32(w[28:], uint32(4*s.rate))
	binary.LittleEndian.PutUint16(w[32:], 4)
	binary.LittleEndian.PutUint16(w[34:], 32)
	copy(w[36:], "data")
	binary.LittleEndian.PutUint32(w[40:], uint32(data))
	for _, v := range s.samples {
		w = binary.LittleEndian.AppendUint32(w, math.Float32bits(v))
	}
	return w
}

// Open implements services.AudioSource.
func (w wave) Open() (io.ReadSeekCloser, error) { return openWave{bytes.NewReader(w)}, nil }

// Size implements services.AudioSource.
func (w wave) Size() int64 { return int64(len(w)) }

type openWave struct{ *bytes.Reader }

// Close implements io.Closer.
func (openWave) Close() error { return nil }

// decoder reads a recording as mono sound.
type decoder struct {
	file   io.Closer
	reader *audiofile.Reader
	rate   int
	// at is the number of samples read.
	at    int64
	block []float32
}

// blockFrames is the number of frames decoded at a time.
const blockFrames = 8192

// decode opens a recording. The caller closes the decoder.
func decode(source services.AudioSource, limits audiofile.Limits) (*decoder, error) {
	file, err := source.Open()
	if err != nil {
		return nil, services.Unreadable(err)
	}
	reader, err := audiofile.Open(file, source.Size(), limits)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	format := reader.Format()
	return &decoder{file: file, reader: reader, rate: format.SampleRateHz, block: make([]float32, blockFrames*format.Channels)}, nil
}

// close releases the recording.
func (d *decoder) close() { _ = errors.Join(d.reader.Close(), d.file.Close()) } // it was only read

// length returns the length of the recording in seconds, as its header says.
func (d *decoder) length() float64 { return d.reader.Format().Duration().Seconds() }

// next returns the next samples, or io.EOF.
func (d *decoder) next(ctx context.Context) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	n, err := d.reader.ReadFrames(d.block)
	if n == 0 {
		return nil, err
	}
	channels := d.reader.Format().Channels
	mono := dsp.Downmix(nil, d.block[:n*channels], channels)
	d.at += int64(n)
	return mono, nil
}

// readSpan returns the sound of a recording from start to end in seconds; an end of 0, or
// one that is too late, is that of the recording. most bounds its length.
func readSpan(ctx context.Context, d *decoder, start, end, most float64) (sound, error) {
	out := sound{rate: d.rate}
	from, to := int64(math.Round(start*float64(d.rate))), int64(math.MaxInt64)
	if end > 0 {
		to = int64(math.Round(end * float64(d.rate)))
	}
	limit := int64(most*float64(d.rate)) + 1
	for d.at < to {
		begin := d.at
		block, err := d.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
		low, high := max(from-begin, 0), min(to-begin, int64(len(block)))
		if low < high {
			out.samples = append(out.samples, block[low:high]...)
		}
		if int64(len(out.samples)) > limit {
			return out, services.Invalidf("", "must be at most %v s long", most)
		}
	}
	if from > d.at {
		return out, services.Invalidf("", "begins at %.3f s, but the recording has %.3f s", start, float64(d.at)/float64(d.rate))
	}
	return out, nil
}

// fieldFault returns a fault of an unnamed field, or of the field file, under the name of a
// field.
func fieldFault(err error, field string) error {
	var fault *services.Fault
	if !errors.As(err, &fault) || len(fault.Fields) == 0 {
		return err
	}
	named := *fault
	named.Fields = nil
	for _, one := range fault.Fields {
		name := field
		if one.Field != "" && one.Field != "file" && one.Field != "audio_id" {
			name = fmt.Sprintf("%s.%s", field, one.Field)
		}
		named.Fields = append(named.Fields, services.FieldError{Field: name, Problem: one.Problem})
	}
	return &named
}
