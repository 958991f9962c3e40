package editing

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// stored are recordings in memory, by their id.
type stored map[string]*sound

// sound is a recording in memory. open counts those that are open.
type sound struct {
	format  Format
	samples []float32
	open    int
	err     error
}

// reading is an open sound.
type reading struct {
	*sound
	at int
}

func (r *reading) Format() Format {
	f := r.format
	f.Frames = float64(len(r.samples) / f.Channels)
	return f
}

func (r *reading) ReadFrames(dst []float32) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n := copy(dst[:min(len(dst), 100*r.format.Channels)], r.samples[r.at:])
	if r.at += n; r.at == len(r.samples) {
		return n / r.format.Channels, io.EOF
	}
	return n / r.format.Channels, nil
}

func (*reading) Bytes() int64 { return 100 }

func (r *reading) Close() error {
	r.open--
	return nil
}

var errMissing = errors.New("there is none")

func (s stored) open(id string) (Source, error) {
	one, ok := s[id]
	if !ok {
		return nil, errMissing
	}
	one.open++
	return &reading{sound: one}, nil
}

// constant returns frames of one value.
func constant(value float32, frames int) []float32 {
	list := make([]float32, frames)
	for i := range list {
		list[i] = value
	}
	return list
}

// shelf are the recordings of the tests.
func shelfOf() stored {
	return stored{
		"half":   {format: Format{SampleRateHz: 8000, Channels: 1}, samples: constant(0.5, 4000)},
		"ramp":   {format: Format{SampleRateHz: 8000, Channels: 1}, samples: ramp(1000)},
		"fast":   {format: Format{SampleRateHz: 16000, Channels: 2}, samples: constant(0.25, 2*16000)},
		"six":    {format: Format{SampleRateHz: 8000, Channels: 6}, samples: constant(0.25, 6*800)},
		"wide":   {format: Format{SampleRateHz: 11025, Channels: 8}, samples: constant(0.25, 8*3000)},
		"broken": {format: Format{SampleRateHz: 8000, Channels: 1}, samples: constant(0.5, 10), err: io.ErrUnexpectedEOF},
	}
}

func ramp(frames int) []float32 {
	list := make([]float32, frames)
	for i := range list {
		list[i] = float32(i) / float32(frames)
	}
	return list
}

// joined edits a sound with stored recordings in blocks of random sizes.
func joined(t *testing.T, sound []float32, operations ...string) []float32 {
	t.Helper()
	shelf := shelfOf()
	chain, err := New(parse(t, operations...), Format{SampleRateHz: 8000, Channels: 1, Frames: float64(len(sound))},
		Env{Dir: t.TempDir(), MaxBytes: 1 << 30, MaxSeconds: 1e6, Open: shelf.open})
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	var out []float32
	collect := func(block []float32) error {
		out = append(out, block...)
		return nil
	}
	for rest := append([]float32(nil), sound...); len(rest) > 0; {
		n := min(1+random.IntN(3000), len(rest))
		require.NoError(t, chain.Process(rest[:n], collect))
		rest = rest[n:]
	}
	require.NoError(t, chain.Flush(collect))
	require.NoError(t, chain.Close())
	for id, one := range shelf {
		require.Zero(t, one.open, id)
	}
	require.InDelta(t, chain.Output().Frames, len(out), 1)
	return out
}

func TestConcatenate(t *testing.T) {
	t.Parallel()
	out := joined(t, constant(1, 1000), `{"op":"concatenate","recordings":[`+
		`{"audio_id":"ramp","start":0.05,"end":0.1,"gain_db":6.0205999132796},{"audio_id":"fast","pause":0.25},{"audio_id":"half","end":9}]}`)
	require.Equal(t, constant(1, 1000), out[:1000])
	require.InDeltaSlice(t, []float32{0.8, 0.802}, out[1000:1002], 1e-6)
	require.InDelta(t, 2*0.799, out[1399], 1e-6)
	require.Equal(t, make([]float32, 2000), out[1400:3400])
	require.InDelta(t, 0.25, out[3400+4000], 1e-4)
	require.Equal(t, constant(0.5, 4000), out[11400:])
}

func TestMix(t *testing.T) {
	t.Parallel()
	out := joined(t, constant(1, 6000), `{"op":"mix","recordings":[{"audio_id":"half","at":0.5},{"audio_id":"ramp"},`+
		`{"audio_id":"ramp","at":2},{"audio_id":"half","start":0.25,"gain_db":-200e-1}]}`)
	require.Len(t, out, 17000)
	for i, v := range out {
		var want float64
		if i < 6000 {
			want++
		}
		if i >= 4000 && i < 8000 {
			want += 0.5
		}
		if i < 2000 {
			want += 0.05
		}
		if i < 1000 {
			want += float64(i) / 1000
		}
		if i >= 16000 {
			want += float64(i-16000) / 1000
		}
		require.InDelta(t, want, v, 1e-6, i)
	}
}

func TestCrossfade(t *testing.T) {
	t.Parallel()
	ones := constant(1, 5000)
	out := joined(t, ones, `{"op":"crossfade","recordings":[{"audio_id":"half"}],"duration":0.25,"curve":"linear"}`)
	require.Len(t, out, 7000)
	require.Equal(t, ones[:3000], out[:3000])
	require.InDelta(t, 0.75, out[4000], 1e-3)
	require.InDelta(t, 1-0.25*0.5, out[3500], 1e-3)
	require.Equal(t, constant(0.5, 2000), out[5000:])
	// Equal power.
	out = joined(t, ones, `{"op":"crossfade","recordings":[{"audio_id":"half"},{"audio_id":"half"}],"duration":0.1}`)
	require.Len(t, out, 5000+3200+3200)
	require.InDelta(t, 1.5*math.Sqrt(0.5), out[4600], 2e-3)
	require.InDelta(t, math.Sqrt(0.5), out[7800], 2e-3)
	// The overlap is at most the shorter one of both, also of the sound so far.
	out = joined(t, ones[:500], `{"op":"crossfade","recordings":[{"audio_id":"ramp"},{"audio_id":"half"}],"duration":20,"curve":"linear"}`)
	require.Len(t, out, 4000)
	out = joined(t, ones[:1], `{"op":"crossfade","recordings":[{"audio_id":"half"}],"duration":20}`)
	require.Len(t, out, 4000)
}

func TestRecordingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 8000, Channels: 4, Frames: 100}
	env := Env{MaxSeconds: 100, Open: shelfOf().open}
	for raw, text := range map[string]string{
		`{"op":"mix","recordings":[{"audio_id":"half"}]}`: "operations[1].recordings[0].audio_id has 1 channels, " +
			"which cannot become the 4 of the sound",
		`{"op":"mix","recordings":[{"audio_id":"x"}]}`: "operations[1].recordings[0].audio_id: there is none",
	} {
		_, err := New(parse(t, `{"op":"reverse"}`, raw), in, env)
		require.ErrorContains(t, err, text)
	}
	in.Channels = 1
	for raw, text := range map[string]string{
		`{"op":"concatenate","recordings":[{"audio_id":"half"},{"audio_id":"half","start":0.5}]}`: "operations[0].recordings[1].start " +
			"must be before the end of the recording at 0.5 s, got 0.5",
		`{"op":"mix","recordings":[{"audio_id":"half","at":100}]}`: "operations[0].op would make the recording 10",
	} {
		_, err := New(parse(t, raw), in, env)
		require.ErrorContains(t, err, text)
	}
	_, err := New(parse(t, `{"op":"mix","recordings":[{"audio_id":"half"}]}`), in, Env{MaxSeconds: 10})
	require.ErrorContains(t, err, "operations[0].recordings[0].audio_id is not supported: this process stores no recordings")
	chain, err := New(parse(t, `{"op":"reverse"}`, `{"op":"crossfade","recordings":[{"audio_id":"broken"}]}`), in, env)
	require.NoError(t, err)
	err = chain.Flush(func([]float32) error { return nil })
	var wrong *RecordingError
	require.ErrorAs(t, err, &wrong)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "operations[1].recordings[0].audio_id", wrong.Field)
	require.NoError(t, chain.Close())
}

// divided returns the parts of a sound and their places.
func divided(t *testing.T, sound []float32, operation string) (parts [][]float32, places [][2]int64) {
	t.Helper()
	var under []float32
	env := Env{MaxSeconds: 100, Cut: func(from, to int64) error {
		require.EqualValues(t, to-from, len(under))
		parts, places, under = append(parts, under), append(places, [2]int64{from, to}), nil
		return nil
	}}
	chain, err := New(parse(t, operation), Format{SampleRateHz: 8000, Channels: 1, Frames: float64(len(sound))}, env)
	require.NoError(t, err)
	require.True(t, Splits(parse(t, operation)))
	require.False(t, Splits(parse(t, `{"op":"reverse"}`)))
	random := rand.New(rand.NewPCG(1, 2))
	collect := func(block []float32) error {
		under = append(under, block...)
		return nil
	}
	for rest := append([]float32(nil), sound...); len(rest) > 0; {
		n := min(1+random.IntN(700), len(rest))
		require.NoError(t, chain.Process(rest[:n], collect))
		rest = rest[n:]
	}
	require.NoError(t, chain.Flush(collect))
	require.Empty(t, under)
	for i, place := range places {
		require.Equal(t, sound[place[0]:place[1]], parts[i])
	}
	return parts, places
}

func TestSplitAtSilences(t *testing.T) {
	t.Parallel()
	const operation = `{"op":"split_at_silences","minimum":0.2,"keep":0.1}`
	var sound []float32
	add := func(value float32, seconds float64) { sound = append(sound, constant(value, int(8000*seconds))...) }
	add(0, 0.5) // left out but for 50 ms
	add(0.3, 1)
	add(0, 0.1) // too short
	add(0.3, 0.2)
	add(0, 1)
	add(0.5, 0.4)
	add(0, 0.25)
	add(0.7, 0.4)
	add(0, 3)
	_, places := divided(t, sound, operation)
	require.Equal(t, [][2]int64{{3600, 14800}, {22000, 26000}, {27200, 31200}}, places)

	_, places = divided(t, sound[4000:], operation) // without silence at the beginning
	require.EqualValues(t, [2]int64{0, 10800}, places[0])
	_, places = divided(t, make([]float32, 8000), operation)
	require.Empty(t, places)
	_, places = divided(t, []float32{0.5}, operation)
	require.Equal(t, [][2]int64{{0, 1}}, places)
	_, places = divided(t, constant(0.5, 8000), `{"op":"split_at_silences","keep":0}`)
	require.Equal(t, [][2]int64{{0, 8000}}, places)

	_, err := New(parse(t, operation, `{"op":"reverse"}`), Format{SampleRateHz: 8000, Channels: 1, Frames: 1}, Env{MaxSeconds: 100})
	require.ErrorContains(t, err, "operations[0].op must be the last operation")
}
