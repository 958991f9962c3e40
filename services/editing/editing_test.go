package editing

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// examples are every operation.
func examples() map[string]string {
	return map[string]string{
		"trim":              `{"op":"trim","start":0,"end":0.5}`,
		"pad":               `{"op":"pad","before":0.1,"after":0.3}`,
		"gain":              `{"op":"gain","gain_db":-6}`,
		"fade":              `{"op":"fade","in":0.1,"out":0.7,"curve":"cosine"}`,
		"high_pass":         `{"op":"high_pass","frequency":80,"order":3}`,
		"low_pass":          `{"op":"low_pass","frequency":3000}`,
		"band_pass":         `{"op":"band_pass","low":300,"high":3400}`,
		"low_shelf":         `{"op":"low_shelf","frequency":200,"gain_db":6}`,
		"high_shelf":        `{"op":"high_shelf","frequency":3000,"gain_db":-6,"q":1}`,
		"resample":          `{"op":"resample","sample_rate":11025}`,
		"remix":             `{"op":"remix","channels":2}`,
		"speed":             `{"op":"speed","factor":1.3}`,
		"reverse":           `{"op":"reverse"}`,
		"gate":              `{"op":"gate","threshold_dbfs":-20}`,
		"limiter":           `{"op":"limiter","ceiling_dbfs":-12}`,
		"normalize":         `{"op":"normalize","mode":"loudness"}`,
		"remove_silence":    `{"op":"remove_silence","minimum":0.05,"keep":0.02}`,
		"time_stretch":      `{"op":"time_stretch","factor":0.7}`,
		"pitch_shift":       `{"op":"pitch_shift","semitones":3}`,
		"concatenate":       `{"op":"concatenate","recordings":[{"audio_id":"wide","pause":0.1}]}`,
		"mix":               `{"op":"mix","recordings":[{"audio_id":"wide","at":0.2}]}`,
		"crossfade":         `{"op":"crossfade","recordings":[{"audio_id":"wide"}],"duration":0.3}`,
		"split_at_silences": `{"op":"split_at_silences","minimum":0.05,"keep":0.02}`,
	}
}

func TestExamplesAreEveryOperation(t *testing.T) {
	t.Parallel()
	require.Equal(t, Names(), slices.Sorted(maps.Keys(examples())))
}

func TestTheDivisionIntoBlocksDoesNotMatter(t *testing.T) {
	t.Parallel()
	for name, operation := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, 7))
			in := Format{SampleRateHz: 16000, Channels: 2}
			sound := noise(3, 20000, 2)
			one, _ := edit(t, sound, in, whole, operation)
			two, _ := edit(t, sound, in, func() int { return 1 + random.IntN(900) }, operation)
			require.Len(t, two, len(one))
			for i, v := range one { // the filters set states below 1e-30 to zero after a block
				require.InDelta(t, v, two[i], 1e-25, i)
			}
		})
	}
}

func TestEveryOperationTakesEverySound(t *testing.T) {
	t.Parallel()
	for name, operation := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, test := range []struct {
				name  string
				in    Format
				sound []float32
			}{
				{"silence", Format{SampleRateHz: 8000, Channels: 1}, make([]float32, 8000)},
				{"one sample", Format{SampleRateHz: 44100, Channels: 1}, []float32{0.5}},
				{"8 channels", Format{SampleRateHz: 48000, Channels: 8}, noise(4, 12000, 8)},
				{"192 kHz", Format{SampleRateHz: 192000, Channels: 1}, noise(5, 96000, 1)},
			} {
				out, format := edit(t, test.sound, test.in, whole, operation)
				if name != "split_at_silences" || test.name != "silence" {
					require.NotEmpty(t, out, test.name)
				}
				require.Zero(t, len(out)%format.Channels)
				require.LessOrEqual(t, float64(len(out)/format.Channels), format.Frames+2, test.name)
				for _, v := range out {
					require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), test.name)
				}
				if name != "remove_silence" && name != "split_at_silences" {
					require.InDelta(t, format.Frames, float64(len(out)/format.Channels), 2, test.name)
				}
			}
		})
	}
}

func TestWhatCannotBeParsed(t *testing.T) {
	t.Parallel()
	for raw, text := range map[string]string{
		`[]`:                              "op must be one of band_pass, concatenate",
		`{}`:                              `op must be one of`,
		`{"op":"sing"}`:                   `got "sing"`,
		`{"op":"gain"}`:                   "gain_db is missing",
		`{"op":"gain","gain_db":61}`:      "gain_db must be from -100 to 60, got 61",
		`{"op":"gain","gain_db":"6"}`:     "gain_db must not be a string",
		`{"op":"gain","db":6}`:            "db is not a parameter of gain",
		`{"op":"trim","start":-1}`:        "start must be from 0 to 86400, got -1",
		`{"op":"trim","start":2,"end":1}`: "end must be above start, 2, got 1",
		`{"op":"pad","after":1e9}`:        "after must be from 0 to 3600, got 1e+09",
		`{"op":"fade","curve":"x"}`:       "curve must be linear, sine or cosine",
		`{"op":"fade","in":1e300}`:        "in must be from 0",
		`{"op":"low_pass","frequency":100,"order":9}`:                            "order must be from 1 to 8, got 9",
		`{"op":"band_pass","low":100,"high":90}`:                                 "high must be above low",
		`{"op":"low_shelf","frequency":100,"gain_db":41}`:                        "gain_db must be from -40 to 40",
		`{"op":"resample","sample_rate":4000}`:                                   "sample_rate must be from 8000 to 192000",
		`{"op":"remix","channels":9}`:                                            "channels must be from 1 to 8",
		`{"op":"speed","factor":5}`:                                              "factor must be from 0.25 to 4, got 5",
		`{"op":"time_stretch","factor":0}`:                                       "factor must be from 0.25 to 4, got 0",
		`{"op":"pitch_shift","semitones":13}`:                                    "semitones must be from -12 to 12",
		`{"op":"gate","hold":60}`:                                                "hold must be from 0 to 5",
		`{"op":"limiter","look_ahead":1}`:                                        "look_ahead must be from 0.0005 to 0.05",
		`{"op":"normalize"}`:                                                     "mode is missing",
		`{"op":"normalize","mode":"x"}`:                                          `mode must be peak, rms or loudness, got "x"`,
		`{"op":"normalize","mode":"rms","true_peak_dbtp":-1}`:                    "true_peak_dbtp is a parameter of the mode loudness only",
		`{"op":"normalize","mode":"peak","target":1}`:                            "target must be from -80 to 0",
		`{"op":"mix"}`:                                                           "recordings is missing",
		`{"op":"mix","recordings":[{}]}`:                                         "recordings[0].audio_id is missing",
		`{"op":"mix","recordings":[{"audio_id":"a"},{"audio_id":"a","at":-1}]}`:  "recordings[1].at must be from 0 to 86400, got -1",
		`{"op":"concatenate","recordings":[{"audio_id":"a","start":2,"end":1}]}`: "recordings[0].end must be above start, 2, got 1",
		`{"op":"concatenate","recordings":[{"audio_id":"a","pause":3601}]}`:      "recordings[0].pause must be from 0 to 3600",
		`{"op":"concatenate","recordings":[` + strings.Repeat(`{"audio_id":"a"},`, 32) + `{"audio_id":"a"}]}`: "" +
			"at most 32 elements, got 33",
		`{"op":"crossfade","recordings":[{"audio_id":"a","gain_db":61}]}`: "recordings[0].gain_db must be from -100 to 60",
		`{"op":"crossfade","recordings":[{"audio_id":"a"}],"duration":0}`: "duration must be from 0.001 to 20, got 0",
		`{"op":"crossfade","recordings":[{"audio_id":"a"}],"curve":"x"}`:  "curve must be linear",
		`{"op":"split_at_silences","keep":1}`:                             "keep must be at most minimum",
		`{"op":"remove_silence","minimum":100}`:                           "minimum must be from 0.01 to 5",
		`{"op":"remove_silence","minimum":0.2,"keep":0.3}`:                "keep must be at most minimum",
	} {
		_, err := Parse([]byte(raw))
		var param *ParamError
		require.ErrorAs(t, err, &param, raw)
		require.ErrorContains(t, err, text, raw)
	}
}

func TestWhatDoesNotFitTheSound(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 16000, Channels: 3, Frames: 32000}
	for raw, text := range map[string]string{
		`{"op":"trim","start":2}`:                         "operations[1].start must be before the end of the sound at 2 s, got 2",
		`{"op":"low_pass","frequency":8000}`:              "operations[1].frequency must be below half the sample rate, 8000 Hz, got 8000",
		`{"op":"band_pass","low":100,"high":9000}`:        "operations[1].high must be below",
		`{"op":"high_shelf","frequency":9e3,"gain_db":1}`: "operations[1].frequency must be below",
		`{"op":"remix","channels":4}`:                     "operations[1].channels must be 1, 2 or the 3 of the sound, got 4",
		`{"op":"pad","after":3600}`:                       "operations[1].op would make the recording 3602 s long, the limit is 1000 s",
	} {
		_, err := New(parse(t, `{"op":"reverse"}`, raw), in, Env{MaxSeconds: 1000})
		var wrong *OperationError
		require.ErrorAs(t, err, &wrong)
		require.ErrorContains(t, err, text)
	}
}

func TestTrimPadGainReverse(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 8000, Channels: 2}
	sound := noise(1, 8000, 2)
	out, _ := edit(t, sound, in, whole, `{"op":"trim","start":0.25,"end":0.375}`)
	require.Equal(t, sound[4000:6000], out)
	out, _ = edit(t, sound, in, whole, `{"op":"trim","start":0.5}`, `{"op":"pad","before":0.001,"after":1}`)
	require.Len(t, out, 8000+16+16000)
	require.Equal(t, make([]float32, 16), out[:16])
	require.Equal(t, sound[8000:], out[16:8016])
	require.Equal(t, make([]float32, 16000), out[8016:])
	out, _ = edit(t, sound, in, whole, `{"op":"gain","gain_db":6.0205999132796}`)
	require.InDelta(t, 2*sound[5], out[5], 1e-6)
	out, _ = edit(t, sound, in, whole, `{"op":"reverse"}`)
	require.Equal(t, sound[:2], out[len(out)-2:])
	out, _ = edit(t, sound, in, whole, `{"op":"reverse"}`, `{"op":"reverse"}`)
	require.Equal(t, sound, out)
}

func TestFade(t *testing.T) {
	t.Parallel()
	ones := slices.Repeat([]float32{1}, 8000)
	in := Format{SampleRateHz: 8000, Channels: 1}
	for curve, quarter := range map[string]float64{"linear": 0.25, "sine": math.Sin(math.Pi / 8), "cosine": (1 - math.Cos(math.Pi/4)) / 2} {
		out, _ := edit(t, ones, in, whole, `{"op":"fade","in":0.1,"out":0.5,"curve":"`+curve+`"}`)
		require.Zero(t, out[0])
		require.Zero(t, out[7999])
		require.InDelta(t, quarter, out[200], 1e-6)
		require.InDelta(t, 1, out[800], 1e-6)
		require.InDelta(t, 1, out[3998], 1e-6)
		require.InDelta(t, quarter, out[7999-1000], 1e-6)
	}
}

// TestLongFadesUseAFile compares a fade in memory with one in a file.
func TestLongFadesUseAFile(t *testing.T) {
	t.Parallel()
	in := Format{SampleRateHz: 8000, Channels: 1}
	for _, seconds := range []string{"0.9", "1", "1.1"} {
		operation := `{"op":"fade","in":0.5,"out":` + seconds + `}`
		sound := noise(8, 8000, 1)
		short, _ := edit(t, sound, in, whole, operation)
		chain, err := New(parse(t, operation), Format{SampleRateHz: 8000, Channels: 1, Frames: 8000},
			Env{Dir: t.TempDir(), MaxBytes: 1 << 20, MaxSeconds: 10})
		require.NoError(t, err)
		f := chain.stages[0].(*fader)
		f.ring, f.spool = nil, newSpool(Env{Dir: t.TempDir(), MaxBytes: 1 << 20}, 1)
		var long []float32
		emit := func(block []float32) error {
			long = append(long, block...)
			return nil
		}
		require.NoError(t, chain.Process(sound, emit))
		require.NoError(t, chain.Flush(emit))
		require.Equal(t, short, long)
	}
	// 200 s of 8 channels do not fit into memory.
	chain, err := New(parse(t, `{"op":"fade","out":200}`), Format{SampleRateHz: 8000, Channels: 8, Frames: 10}, Env{MaxSeconds: 10})
	require.NoError(t, err)
	require.Less(t, chain.Bytes(), int64(4<<20))
}

func TestTemporaryFilesAreLimited(t *testing.T) {
	t.Parallel()
	chain, err := New(parse(t, `{"op":"reverse"}`), Format{SampleRateHz: 8000, Channels: 1, Frames: 100},
		Env{Dir: t.TempDir(), MaxBytes: 400, MaxSeconds: 10})
	require.NoError(t, err)
	emit := func([]float32) error { return nil }
	require.NoError(t, chain.Process(make([]float32, 100), emit))
	require.ErrorIs(t, chain.Process(make([]float32, 1), emit), ErrTooLarge)
	require.NoError(t, chain.Close())
	chain, err = New(parse(t, `{"op":"reverse"}`), Format{SampleRateHz: 8000, Channels: 1, Frames: 100},
		Env{Dir: t.TempDir() + "/missing", MaxBytes: 400, MaxSeconds: 10})
	require.NoError(t, err)
	require.ErrorIs(t, chain.Process(make([]float32, 100), emit), ErrTemporary)
	require.NoError(t, chain.Close())
}

func TestTheReceiverCanStop(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for name, operation := range examples() {
		chain, err := New(parse(t, operation), Format{SampleRateHz: 16000, Channels: 1, Frames: 20000},
			Env{Dir: t.TempDir(), MaxBytes: 1 << 20, MaxSeconds: 10, Open: shelfOf().open})
		require.NoError(t, err)
		emit := func([]float32) error { return stop }
		err = chain.Process(noise(2, 20000, 1), emit)
		if err == nil {
			err = chain.Flush(emit)
		}
		require.ErrorIs(t, err, stop, name)
		require.NoError(t, chain.Close())
	}
}

// TestMemoryIsFlat is not parallel because it reads the allocations of the process.
func TestMemoryIsFlat(t *testing.T) {
	operations := slices.Sorted(maps.Values(examples()))
	operations = slices.DeleteFunc(operations, func(raw string) bool {
		return raw == examples()["trim"] || raw == examples()["split_at_silences"]
	})
	chain, err := New(parse(t, operations...), Format{SampleRateHz: 16000, Channels: 2, Frames: 16000 * 60},
		Env{Dir: t.TempDir(), MaxBytes: 1 << 30, MaxSeconds: 1000, Open: shelfOf().open})
	require.NoError(t, err)
	require.Less(t, chain.Bytes(), int64(64<<20))
	emit := func([]float32) error { return nil }
	var before, after runtime.MemStats
	feed := func(seconds int) {
		for i := range seconds {
			require.NoError(t, chain.Process(noise(uint64(i), 16000, 2), emit))
		}
	}
	own := func(seconds int) int64 { return int64(seconds) * 16000 * 2 * 4 }
	feed(20)
	runtime.ReadMemStats(&before)
	feed(40)
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.TotalAlloc-before.TotalAlloc)-own(40), int64(2<<20))
	runtime.ReadMemStats(&before)
	require.NoError(t, chain.Flush(emit))
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.TotalAlloc-before.TotalAlloc), chain.Bytes())
	require.NoError(t, chain.Close())
}
