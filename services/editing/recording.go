package editing

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services/dsp"
)

// Source is an open recording.
type Source interface {
	// Format returns the format of the recording with its expected length.
	Format() Format
	// ReadFrames fills dst with interleaved samples and returns the number of frames; at the
	// end io.EOF, possibly with the last frames.
	ReadFrames(dst []float32) (int, error)
	// Bytes bounds the memory of the open recording.
	Bytes() int64
	// Close closes the recording.
	Close() error
}

// RecordingError is an error of a stored recording that an operation uses. Field is its
// place in the request, such as operations[1].recordings[0].audio_id.
type RecordingError struct {
	Field string
	Err   error
}

// Error implements error.
func (e *RecordingError) Error() string { return fmt.Sprintf("%s: %v", e.Field, e.Err) }

// Unwrap returns the cause.
func (e *RecordingError) Unwrap() error { return e.Err }

// maxRecordings is the maximum number of recordings of one operation.
const maxRecordings = 32

// part is a part of a stored recording as a parameter.
type part struct {
	AudioID string   `json:"audio_id"`
	Start   float64  `json:"start"`
	End     *float64 `json:"end"`
	GainDB  float64  `json:"gain_db"`
}

func (p *part) check() error {
	if p.AudioID == "" {
		return invalid("audio_id", "is missing")
	}
	if len(p.AudioID) > maxIDBytes {
		return invalid("audio_id", "must be the id of a stored recording, got %.40q", p.AudioID)
	}
	err := first(within("start", p.Start, 0, maxSeconds), within("gain_db", p.GainDB, -100, 60))
	if err != nil || p.End == nil {
		return err
	}
	return first(within("end", *p.End, 0, maxSeconds), after("end", *p.End, "start", p.Start))
}

const maxIDBytes = 200

// after returns an error unless a value is above another one.
func after(field string, value float64, than string, least float64) error {
	if value > least {
		return nil
	}
	return invalid(field, "must be above %s, %g, got %g", than, least, value)
}

// inList returns an error of an element of the list recordings.
func inList(i int, err error) error {
	var wrong *ParamError
	if errors.As(err, &wrong) {
		return &ParamError{Field: fmt.Sprintf("recordings[%d].%s", i, wrong.Field), Problem: wrong.Problem}
	}
	return err
}

// checkList checks the number of recordings.
func checkList(n int) error {
	if n == 0 {
		return invalid("recordings", "is missing")
	}
	if n > maxRecordings {
		return invalid("recordings", "must have at most %d elements, got %d", maxRecordings, n)
	}
	return nil
}

// player plays a part of a stored recording in the format of an edit. The recording is
// open from the first read to the end.
type player struct {
	env       Env
	field     string
	id        string
	gain      float32
	in, out   Format
	from, to  int64   // of the recording
	frames    float64 // expected, in the format of the edit
	memory    int64
	source    Source
	converter *dsp.Converter
	at        int64
	block     []float32
	ready     []float32 // converted and not yet read
	ended     bool
}

// newPlayer reads the header of a recording. i is its place in the list of the operation.
func newPlayer(env Env, i int, p part, out Format) (*player, error) {
	name := fmt.Sprintf("recordings[%d]", i)
	if env.Open == nil {
		return nil, invalid(name+".audio_id", "is not supported: this process stores no recordings")
	}
	r := &player{env: env, id: p.AudioID, gain: float32(amplitude(p.GainDB)), out: out}
	r.field = fmt.Sprintf("operations[%d].%s.audio_id", env.index, name)
	source, err := env.Open(p.AudioID)
	if err != nil {
		return nil, &RecordingError{r.field, err}
	}
	r.in, r.memory = source.Format(), source.Bytes()
	if err := source.Close(); err != nil {
		return nil, &RecordingError{r.field, err}
	}
	r.from, r.to = framesOf(p.Start, r.in.SampleRateHz), math.MaxInt64
	if float64(r.from) >= r.in.Frames {
		return nil, invalid(name+".start", "must be before the end of the recording at %.6g s, got %g", r.in.Seconds(), p.Start)
	}
	if p.End != nil {
		r.to = max(framesOf(*p.End, r.in.SampleRateHz), r.from+1)
	}
	if !dsp.CanRemix(r.in.Channels, out.Channels) {
		return nil, invalid(name+".audio_id", "has %d channels, which cannot become the %d of the sound", r.in.Channels, out.Channels)
	}
	if r.converter, err = dsp.NewConverter(r.in.SampleRateHz, out.SampleRateHz, r.in.Channels, out.Channels); err != nil {
		return nil, invalid(name+".audio_id", "cannot have the sample rate of the sound: %v", err)
	}
	r.frames = math.Ceil((min(r.in.Frames, float64(r.to)) - float64(r.from)) / float64(r.in.SampleRateHz) * float64(out.SampleRateHz))
	buffers := int64(blockFrames*r.in.Channels) + 4*(r.converter.OutputLen(blockFrames)+blockFrames)*int64(out.Channels)
	r.memory += 1<<20 + 4*buffers
	return r, nil
}

// read fills dst with frames of the recording, fewer only at its end.
func (p *player) read(dst []float32) (n int, err error) {
	for n < len(dst) {
		if len(p.ready) == 0 {
			if p.ended {
				return n, nil
			}
			if err := p.fill(); err != nil {
				return n, err
			}
		}
		copied := copy(dst[n:], p.ready)
		p.ready = p.ready[copied:]
		n += copied
	}
	return n, nil
}

// fill converts the next block of the recording.
func (p *player) fill() error {
	if p.env.Step != nil {
		if err := p.env.Step(); err != nil {
			return err
		}
	}
	if p.source == nil {
		source, err := p.env.Open(p.id)
		if err != nil {
			return &RecordingError{p.field, err}
		}
		p.source, p.block = source, make([]float32, blockFrames*p.in.Channels)
	}
	n, err := p.source.ReadFrames(p.block)
	end := errors.Is(err, io.EOF)
	if err != nil && !end {
		return &RecordingError{p.field, err}
	}
	first, last := min(max(p.from-p.at, 0), int64(n)), min(max(p.to-p.at, 0), int64(n))
	p.at += int64(n)
	channels := int64(p.in.Channels)
	if p.ready = nil; first < last {
		p.ready = p.converter.Process(p.block[first*channels : last*channels])
	}
	if end || p.at >= p.to {
		p.ended = true
		p.ready = append(p.ready[:len(p.ready):len(p.ready)], p.converter.Flush()...)
		err = p.close()
	} else {
		err = nil
	}
	for i := range p.ready {
		p.ready[i] *= p.gain
	}
	return err
}

// isDone reports whether everything has been read.
func (p *player) isDone() bool { return p.ended && len(p.ready) == 0 }

// close closes the recording if it is open.
func (p *player) close() error {
	if p.source == nil {
		return nil
	}
	err := p.source.Close()
	p.source, p.block = nil, nil
	return err
}

// play emits a recording to its end.
func (p *player) play(emit Emit) error {
	block := make([]float32, blockFrames*p.out.Channels)
	for {
		n, err := p.read(block)
		if err != nil || n == 0 {
			return err
		}
		if err := emit(block[:n]); err != nil {
			return err
		}
	}
}

// players are the recordings of an operation.
type players []*player

func (list players) close() error {
	var errs []error
	for _, p := range list {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// memory returns the memory of the recordings: of all together, or of the largest one.
func (list players) memory(together bool) (bytes int64) {
	for _, p := range list {
		if together {
			bytes += p.memory
		} else {
			bytes = max(bytes, p.memory)
		}
	}
	return bytes
}

// areShorter reports whether a recording may be shorter than expected.
func (list players) areShorter() bool {
	for _, p := range list {
		if p.in.Shorter {
			return true
		}
	}
	return false
}
