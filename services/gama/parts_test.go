package gama

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// choose samples once with a new sampler.
func choose(s decoding.Sampling, prompt []int64, logits ...float32) int {
	if s.RepetitionPenalty == 0 {
		s.RepetitionPenalty = 1
	}
	if s.TopP == 0 {
		s.TopP = 1
	}
	s.EOS = append(s.EOS, 99)
	return decoding.NewSampler(s, prompt).Choose(logits)
}

func TestGreedyTakesTheLikeliest(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, choose(decoding.Sampling{}, nil, 1, 3, 2, 3), "of equals the first")
	require.Equal(t, 2, choose(decoding.Sampling{RepetitionPenalty: 2}, []int64{1}, 1, 3, 2), "3/2 is below 2")
	require.Equal(t, 0, choose(decoding.Sampling{RepetitionPenalty: 2}, []int64{1}, -1.5, -1, -3), "-1*2 is below -1.5")
	require.Equal(t, 1, choose(decoding.Sampling{RepetitionPenalty: 2}, []int64{-1, -2}, 1, 3, 2), "rows of sound have no id")
	require.Equal(t, 1, choose(decoding.Sampling{RepetitionPenalty: 1.4}, []int64{1, 1, 1}, 1, 3, 2), "a token counts once: 3/1.4 is above 2")
	require.Equal(t, 2, choose(decoding.Sampling{Suppress: []int{1}}, nil, 1, 3, 2))
	require.Equal(t, 0, choose(decoding.Sampling{MinNewTokens: 1, EOS: []int{1}}, nil, 1, 3))
	require.Equal(t, 0, choose(decoding.Sampling{NoRepeatNgram: 2}, []int64{5, 1, 5}, 1, 3, -1, -1, -1, 2.5-2), "5 1 was there")
}

// TestSamplingFollowsTheProbabilities counts draws with one seed each.
func TestSamplingFollowsTheProbabilities(t *testing.T) {
	t.Parallel()
	count := func(s decoding.Sampling, logits ...float32) (counts [4]int) {
		for seed := range uint64(4000) {
			s.Seed = seed
			counts[choose(s, nil, append([]float32(nil), logits...)...)]++
		}
		return counts
	}
	ln := func(p float64) float32 { return float32(math.Log(p)) }
	logits := []float32{ln(0.1), ln(0.4), ln(0.2), ln(0.3)}
	all := count(decoding.Sampling{Temperature: 1}, logits...)
	for i, p := range []float64{0.1, 0.4, 0.2, 0.3} {
		require.InDelta(t, p*4000, all[i], 150, "%v", all)
	}
	two := count(decoding.Sampling{Temperature: 1, TopK: 2}, logits...)
	require.Zero(t, two[0]+two[2])
	require.InDelta(t, 4000*4.0/7, two[1], 150)
	// 0.4+0.3 = 0.7 is below 0.75, so the third is kept too.
	three := count(decoding.Sampling{Temperature: 1, TopP: 0.75}, logits...)
	require.Zero(t, three[0])
	require.InDelta(t, 4000*2.0/9, three[2], 150)
	require.Equal(t, [4]int{0, 4000, 0, 0}, count(decoding.Sampling{Temperature: 1, TopP: 0.01}, logits...), "at least one is kept")
	hot := count(decoding.Sampling{Temperature: 2}, logits...)
	require.InDelta(t, 4000*math.Sqrt(0.1)/(math.Sqrt(0.1)+math.Sqrt(0.4)+math.Sqrt(0.2)+math.Sqrt(0.3)), hot[0], 150)
}

// spelled is a tokenizer with one byte per id.
type spelled struct{ tokenizer.Text }

func (spelled) Bytes(id int) []byte { return []byte{byte(id)} }

func TestTextComesInWholeCharacters(t *testing.T) {
	t.Parallel()
	out := &output{text: spelled{}}
	var pieces []string
	text := " \nnaïve 北京 🎉\n"
	for _, b := range []byte(text) {
		piece, stopped := out.add(int(b))
		require.False(t, stopped)
		require.True(t, utf8.ValidString(piece), "%q", piece)
		pieces = append(pieces, piece)
	}
	require.Equal(t, strings.TrimLeft(text, " \n"), strings.Join(pieces, "")+out.end())

	out = &output{text: spelled{}}
	piece, _ := out.add(0xe5)
	require.Empty(t, piece)
	require.Equal(t, "\uFFFD", out.end(), "half a character at the end")
	out = &output{text: spelled{}}
	piece, _ = out.add(0xff)
	require.Equal(t, "\uFFFD", piece, "what can never become one is not held back")
}

func TestNothingOfAStopTextIsReturned(t *testing.T) {
	t.Parallel()
	say := func(text string, stop ...string) (returned string, stopped bool) {
		out := &output{text: spelled{}, stop: stop}
		for _, b := range []byte(text) {
			piece, end := out.add(int(b))
			returned += piece
			if end {
				return returned, true
			}
		}
		return returned + out.end(), false
	}
	returned, stopped := say("one two three", "two")
	require.Equal(t, "one ", returned)
	require.True(t, stopped)
	returned, stopped = say("aab", "aaab", "ab")
	require.Equal(t, "a", returned)
	require.True(t, stopped)
	returned, stopped = say("one tw", "two")
	require.Equal(t, "one tw", returned)
	require.False(t, stopped)
}

// TestFeaturesAreGAMAs has the deviations from common code: the clip's mean is removed,
// the divisor is the deviation rather than twice that, and padding precedes the
// normalisation.
func TestFeaturesAreGAMAs(t *testing.T) {
	t.Parallel()
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	data, err := os.ReadFile(filepath.Join(root, "golden", "fbank_1272-128104-0000.json"))
	if err != nil {
		t.Skip("reference files are absent; set GRYM_TESTDATA to their folder")
	}
	var golden struct {
		G0   []float64 `json:"gama_frame0"`
		G100 []float64 `json:"gama_frame100"`
		A0   []float64 `json:"ast_frame0"`
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	samples := samplesOf(t, diskAudio(filepath.Join(root, "testdata", "audio", "1272-128104-0000.wav")))
	gama := preprocessorConfig{
		SamplingRate: 16000, MelBins: 128, WindowType: "hanning", SubtractClipMean: true, Mean: -5.081, Std: 4.4849,
		MaxLength: 1024, PadToMaxLength: true,
	}
	e, err := newExtractor(gama, 0)
	require.NoError(t, err)
	got, _ := e.features(append([]float32(nil), samples...))
	require.Len(t, got, 1024*128)
	for i := range 128 {
		require.InDelta(t, golden.G0[i], got[i], 1e-4, "bin %d", i)
		require.InDelta(t, golden.G100[i], got[100*128+i], 1e-4, "bin %d", i)
	}
	require.InDelta(t, 1.13291266, got[1023*128], 1e-6, "padding is 0 before the normalisation")

	ast := preprocessorConfig{
		ExtractorType: astExtractor, SamplingRate: 16000, MelBins: 128, WindowType: "hanning", Mean: -4.2677393,
		Std: 4.5689974, MaxLength: 1024, PadToMaxLength: true,
	}
	e, err = newExtractor(ast, 0)
	require.NoError(t, err)
	got, _ = e.features(append([]float32(nil), samples...))
	for i := range 128 {
		require.InDelta(t, golden.A0[i], got[i], 1e-4, "bin %d", i)
	}
	require.InDelta(t, 0.46703236, got[1023*128], 1e-6)

	// The third mistake: a constant in the clip must have no effect.
	offset := append([]float32(nil), samples...)
	for i := range offset {
		offset[i] += 0.05
	}
	e, err = newExtractor(gama, 0)
	require.NoError(t, err)
	shifted, _ := e.features(offset)
	require.InDelta(t, golden.G100[5], shifted[100*128+5], 1e-3)
	// Each frame's mean is removed too, so the clip's mean is only visible in the
	// samples.
	sum := 0.0
	for _, v := range offset {
		sum += float64(v)
	}
	require.InDelta(t, 0, sum/float64(len(offset)), 1e-6)
}

func samplesOf(t *testing.T, source services.AudioSource) []float32 {
	t.Helper()
	file, err := source.Open()
	require.NoError(t, err)
	defer file.Close()
	reader, err := audiofile.Open(file, source.Size(), audiofile.DefaultLimits())
	require.NoError(t, err)
	samples := make([]float32, reader.Format().Frames)
	_, err = reader.ReadFrames(samples)
	require.NoError(t, err)
	return samples
}

// TestTheSoundComesBeforeTheFirstToken has GAMA's order. With a token of its own the
// sound is at its place in the template.
func TestTheSoundComesBeforeTheFirstToken(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	m, done, err := s.pool.Acquire(t.Context(), "gama-tiny")
	require.NoError(t, err)
	defer done()
	sound := &encoded{n: 2}
	ids := func(text string) (keys []int64) {
		for _, id := range m.folder.Text.Encode(text) {
			keys = append(keys, int64(id))
		}
		return keys
	}
	f := *m.folder
	other := &model{folder: &f}
	f.Network.History = historyNone
	got := other.sequence(sound, []turn{{}}, "hi {audio}", "").keys
	require.Equal(t, append([]int64{-1, -2, 1}, ids("hi {audio}\n")...), got, "conversation_history is none")

	f.Network.History = historyTurns
	got = other.sequence(sound, []turn{{Exchange: services.Exchange{Question: "a", Answer: "b"}}, {Tokens: []int{7}}}, "c", "").keys
	want := append([]int64{-1, -2, 1}, ids("a\n")...)
	want = append(append(want, ids("b")...), 2)
	want = append(append(want, ids("\n")...), 7, 2)
	require.Equal(t, append(want, ids("c\n")...), got)

	f.Network.AudioInsert, f.Network.PromptTemplate = insertToken, "x{audio}y {question}\n"
	got = other.sequence(sound, []turn{{Tokens: []int{7}}}, "c", "").keys
	want = append(append([]int64{1}, ids("x")...), -1, -2)
	want = append(append(want, ids("y \n")...), 7, 2)
	want = append(append(want, ids("x")...), ids("y c\n")...)
	require.Equal(t, want, got, "the sound stands in the first turn only")

	f.Network.PromptTemplate = "{system}:x{audio}y {question}\n"
	got = other.sequence(sound, []turn{{Tokens: []int{7}}}, "c", "be {question} {audio} brief").keys
	want = append(append([]int64{1}, ids("be {question} {audio} brief:x")...), -1, -2)
	want = append(append(want, ids("y \n")...), 7, 2)
	want = append(append(want, ids(":x")...), ids("y c\n")...)
	require.Equal(t, want, got, "the instructions stand in the first turn only")
}

func TestOldestTurnsAreDroppedOrTheRequestRefused(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	m, done, err := s.pool.Acquire(t.Context(), "gama-tiny")
	require.NoError(t, err)
	defer done()
	f := *m.folder
	f.Network.History = historyTurns
	other := &model{folder: &f, name: "x"}
	turns := []turn{{Tokens: make([]int, 200)}, {Tokens: make([]int, 200)}, {Tokens: make([]int, 100)}}
	_, err = other.fit(&encoded{n: 16}, turns, tasks.AskParams{Question: "c", Truncation: truncateOff})
	require.ErrorContains(t, err, "leave truncation out")
	for _, truncation := range []string{"", truncateAuto} {
		got, err := other.fit(&encoded{n: 16}, turns, tasks.AskParams{Question: "c", Truncation: truncation})
		require.NoError(t, err)
		require.Equal(t, 16+1+2*2+300+4-1, len(got.keys)+1, "one turn is gone")
		require.Equal(t, 1, got.dropped)
	}
	most := int(f.Network.TextPart.MaxPositions)
	for n := range most { // the answer has room, however long the last turn is
		got, err := other.fit(&encoded{n: 16}, []turn{{Tokens: make([]int, 9)}, {Tokens: make([]int, n)}}, tasks.AskParams{Question: "c"})
		require.NoError(t, err)
		require.GreaterOrEqual(t, most-len(got.keys), most/8)
	}
	one := 1
	got, err := other.fit(&encoded{n: 16}, []turn{{Tokens: make([]int, most-30)}}, tasks.AskParams{Question: "c", MaxTokens: &one})
	require.NoError(t, err)
	require.Zero(t, got.dropped, "a short answer needs little room")
	many := make([]turn, 5000)
	for i := range many {
		many[i] = turn{Exchange: services.Exchange{Question: "What?", Answer: "Rain."}}
	}
	got, err = other.fit(&encoded{n: 16}, many, tasks.AskParams{Question: "c"})
	require.NoError(t, err)
	require.Greater(t, got.dropped, 4900)
	_, err = other.fit(&encoded{n: 16}, nil, tasks.AskParams{Question: strings.Repeat("word ", most)})
	require.ErrorContains(t, err, "shorten it", "a question alone that is too long")
}

func TestBadFoldersAreExplained(t *testing.T) {
	t.Parallel()
	good := func() *folder {
		f := &folder{
			Preprocessor: preprocessorConfig{SamplingRate: 16000, MelBins: 128, Std: 1, MaxLength: 10},
			Generation:   defaultGeneration(),
		}
		f.Network.AudioInsert, f.Network.PromptTemplate, f.Network.History, f.Network.EOS = insertPrefix, "{question}", historyTurns,
			idList{2}
		x := &f.Network.TextPart
		x.VocabSize, x.HiddenSize, x.Layers, x.KVHeads, x.HeadDim, x.MaxPositions = 1, 1, 1, 1, 1, 100
		return f
	}
	require.NoError(t, good().check("m"))
	for want, change := range map[string]func(*folder){
		"num_hidden_layers must be at least 1, got 0":      func(f *folder) { f.Network.TextPart.Layers = 0 },
		"head_dim must be at most 4096, got 1099511627776": func(f *folder) { f.Network.TextPart.HeadDim = 1 << 40 },
		"audio_insert":            func(f *folder) { f.Network.AudioInsert = "suffix" },
		"{audio} once":            func(f *folder) { f.Network.AudioInsert = insertToken },
		"{question} once":         func(f *folder) { f.Network.PromptTemplate = "" },
		"{system} at most once":   func(f *folder) { f.Network.PromptTemplate = "{question}{system}" },
		"eos_token_id is missing": func(f *folder) { f.Network.EOS = nil },
		"num_beams is 4":          func(f *folder) { four := 4.0; f.Generation.NumBeams = &four },
		"std must be at least":    func(f *folder) { f.Preprocessor.Std = 0 },
		"use_energy":              func(f *folder) { f.Preprocessor.UseEnergy = true },
	} {
		f := good()
		change(f)
		require.ErrorContains(t, f.check("m"), want)
	}
	var ids idList
	require.NoError(t, json.Unmarshal([]byte("[1,2]"), &ids))
	require.Equal(t, idList{1, 2}, ids)
	require.Error(t, json.Unmarshal([]byte(`"x"`), &ids))
}
