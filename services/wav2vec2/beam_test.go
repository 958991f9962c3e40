package wav2vec2

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// bugsDecoder has the alphabet of pyctcdecode's own tests.
func bugsDecoder() *ctcDecoder {
	d := &ctcDecoder{tokens: []string{"|", "B", "G", "N", "S", "U", "Y", "<pad>"}, blank: "<pad>", delimiter: "|", secondsPerFrame: 1}
	d.index()
	return d
}

// frames gives one row per letter of a text, in which that letter has the
// probability one; _ is the blank.
func frames(d *ctcDecoder, text string) [][]float64 {
	rows := make([][]float64, 0, len(text))
	for _, letter := range text {
		token := strings.NewReplacer("_", "<pad>", " ", "|").Replace(string(letter))
		row := make([]float64, len(d.tokens))
		row[slices.Index(d.tokens, token)] = 1
		rows = append(rows, row)
	}
	return rows
}

// mixed weighs two texts of one length against each other.
func mixed(d *ctcDecoder, first string, weight float64, second string) [][]float64 {
	rows := frames(d, first)
	for i, row := range frames(d, second) {
		for j := range row {
			rows[i][j] = weight*rows[i][j] + (1-weight)*row[j]
		}
	}
	return rows
}

func logits(rows ...[][]float64) []float32 {
	var list []float32
	for _, some := range rows {
		for _, row := range some {
			for _, p := range row {
				list = append(list, float32(math.Log(max(p, 1e-15))))
			}
		}
	}
	return list
}

// bugsBunny is TEST_LOGITS of pyctcdecode's tests: the first word is BUGS with a
// probability of 0.49 a letter and BUNNY with 0.51, the second is BUNNY.
func bugsBunny(d *ctcDecoder) []float32 {
	return logits(mixed(d, "BUGS__", 0.49, "BUN_NY"), frames(d, " "), frames(d, "BUN_NY"))
}

func texts(s *beamSearch, beams []prefix) []string {
	list := make([]string, 0, len(beams))
	for _, p := range beams {
		var words []string
		for _, w := range s.words(p.said, nil) {
			words = append(words, w.Text)
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

// TestBeamsArePyctcdecodes holds what pyctcdecode 0.5 asserts in its own tests.
func TestBeamsArePyctcdecodes(t *testing.T) {
	t.Parallel()
	d := bugsDecoder()
	search := func(words, hot []string) (*beamSearch, []prefix) {
		s := newBeamSearch(d, 0, nil, hot)
		if words != nil {
			s = newBeamSearch(d, 0, newLexicon(words), hot)
		}
		s.add(bugsBunny(d))
		return s, s.finish()
	}

	s, beams := search(nil, nil)
	list := texts(s, beams)
	require.Len(t, list, 16, "four letters are in doubt")
	require.Equal(t, "BUNNY BUNNY", list[0])
	require.Equal(t, "BUGS BUNNY", list[15])
	require.Equal(t, []tasks.Word{{Text: "BUNNY", Start: 0, End: 6}, {Text: "BUNNY", Start: 7, End: 13}}, s.words(beams[0].said, nil))
	require.Equal(t, []tasks.Word{{Text: "BUGS", Start: 0, End: 4}, {Text: "BUNNY", Start: 7, End: 13}}, s.words(beams[15].said, nil))
	require.InDelta(t, -2.853399551509947, beams[15].logit, 1e-5)

	// Its language model is certain of these two words, as a list of them is.
	s, beams = search([]string{"bugs", "bunny"}, nil)
	list = texts(s, beams)
	require.ElementsMatch(t, []string{"BUNNY BUNNY", "BUGS BUNNY"}, list)
	bugs := beams[slices.Index(list, "BUGS BUNNY")]
	require.InDelta(t, -2.853399551509947, bugs.logit, 1e-5)
	require.InDelta(t, 0.14660044849005294, bugs.total, 1e-5)

	s, beams = search(nil, []string{"bugs"})
	require.Equal(t, "BUGS BUNNY", texts(s, beams)[0])
	s, beams = search(nil, []string{"bunny"})
	require.Equal(t, "BUNNY BUNNY", texts(s, beams)[0])
	s, beams = search([]string{"bunny"}, nil)
	require.Equal(t, "BUNNY BUNNY", texts(s, beams)[0])
	s, beams = search([]string{"bugs"}, nil)
	require.Equal(t, "BUGS BUNNY", texts(s, beams)[0])
}

// TestBeamFrames has pyctcdecode's case of a stretched word, and that of words
// which differ only long ago.
func TestBeamFrames(t *testing.T) {
	t.Parallel()
	d := bugsDecoder()
	s := newBeamSearch(d, 0, nil, nil)
	s.add(logits(frames(d, " _BUN_NNY_  ")))
	beams := s.finish()
	require.Equal(t, []tasks.Word{{Text: "BUNNY", Start: 2, End: 9}}, s.words(beams[0].said, nil))

	s = newBeamSearch(d, 0, nil, nil)
	s.add(bugsBunny(d))
	for range 5 {
		s.add(logits(frames(d, " BUN_NY")))
	}
	require.Len(t, s.finish(), 1, "sixteen beginnings, forgotten")
}

// TestBeamSumsEveryWay compares the probability of each text with the sum over
// all ways through the frames that spell it, counted one by one.
func TestBeamSumsEveryWay(t *testing.T) {
	t.Parallel()
	d := &ctcDecoder{tokens: []string{"<pad>", "A", "B", "|"}, blank: "<pad>", delimiter: "|", secondsPerFrame: 1}
	d.index()
	rows := [][]float64{{0.4, 0.3, 0.2, 0.1}, {0.25, 0.35, 0.25, 0.15}, {0.3, 0.3, 0.2, 0.2}, {0.2, 0.4, 0.3, 0.1}}
	want := make(map[string]float64)
	var walk func(frame int, ids []int, p float64)
	walk = func(frame int, ids []int, p float64) {
		if frame == len(rows) {
			text, _ := d.decodeIDs(ids)
			want[strings.Join(strings.Fields(text), " ")] += p
			return
		}
		for id, q := range rows[frame] {
			walk(frame+1, append(slices.Clone(ids), id), p*q)
		}
	}
	walk(0, nil, 1)
	s := newBeamSearch(d, 1000, nil, nil)
	s.add(logits(rows[:2])) // in pieces
	s.add(logits(rows[2:]))
	beams := s.finish()
	got := make(map[string]float64)
	for i, text := range texts(s, beams) {
		got[text] += math.Exp(beams[i].logit)
	}
	for text, p := range want {
		if strings.Contains(text, " ") {
			// Of prefixes that end alike the less likely one is forgotten.
			require.LessOrEqual(t, got[text], p+1e-6, text)
			continue
		}
		require.InDelta(t, p, got[text], 1e-6, text)
	}
	best := ""
	for text, p := range want {
		if p > want[best] {
			best = text
		}
	}
	require.Equal(t, best, texts(s, beams)[0])
}

func TestLexicon(t *testing.T) {
	t.Parallel()
	l := newLexicon([]string{"one", "ONLY", "on", "two", "", "two"})
	require.Equal(t, []string{"ON", "ONE", "ONLY", "TWO"}, l.words)
	on := l.walk(l.root(), "ON")
	require.True(t, on.alive())
	require.True(t, l.ends(on))
	require.False(t, l.ends(l.walk(l.root(), "O")))
	require.True(t, l.ends(l.walk(on, "LY")))
	require.False(t, l.walk(on, "X").alive())
	require.False(t, l.walk(l.walk(on, "E"), "S").alive())
	require.Equal(t, 2, l.shortest(l.root()))
	require.Equal(t, 4, l.shortest(l.walk(l.root(), "ONL")))
	require.Equal(t, []string{"Brion's", "SIR", ""}, hotWords(" Brion's, \"SIR\" ..."))
	list, err := readWords([]byte("hello 12\n\nnaïve\ndon't\n"), baseDecoder().tokens)
	require.NoError(t, err)
	require.Equal(t, []string{"HELLO", "DON'T"}, list)
}

// TestWordListOnTheClips transcribes the committed clips both ways; the search
// over the words of the model's training list must be nearer to what was said.
func TestWordListOnTheClips(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	greedy, beam := 0, 0
	for _, clip := range readClips(t) {
		hear := func(decoding string) string {
			task := transcribeTask(diskAudio(filepath.Join(clipsDir, clip.File)))
			task.Params = fmt.Appendf(nil, `{"decoding": %q}`, decoding)
			result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
			require.NoError(t, err)
			return result.Value.(*tasks.Transcription).Text
		}
		greedy += wordErrors(clip.Spoken, hear(tasks.DecodingGreedy))
		beam += wordErrors(clip.Spoken, hear(tasks.DecodingBeam))
		// The list stands beside the model, so the search is what happens unasked.
		require.Equal(t, hear(tasks.DecodingBeam), hear(""))
	}
	t.Logf("words wrong in %d clips: greedy %d, with the word list %d", len(readClips(t)), greedy, beam)
	require.Less(t, beam, greedy)
}

// wordErrors is the edit distance in words.
func wordErrors(want, got string) int {
	a, b := strings.Fields(want), strings.Fields(got)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}

// TestPromptNamesHotWords has a folder without a list: a prompt alone brings the
// search, and pulls a word that was misheard.
func TestPromptNamesHotWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "bare"), os.DirFS(modelsDir+"/wav2vec2-tiny")))
	require.NoError(t, os.Remove(filepath.Join(dir, "bare", wordsFile)))
	s := newService(t, dir)
	mended := 0
	for _, clip := range readClips(t) {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, clip.File)))
		task.Model = "bare"
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		before := wordErrors(clip.Spoken, result.Value.(*tasks.Transcription).Text)
		task.Params = fmt.Appendf(nil, `{"prompt": %q}`, strings.ToLower(clip.Spoken))
		result, err = services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		after := wordErrors(clip.Spoken, result.Value.(*tasks.Transcription).Text)
		require.LessOrEqual(t, after, before, clip.File)
		mended += before - after
	}
	require.Positive(t, mended)
}

func TestBadDecodingParameters(t *testing.T) {
	t.Parallel()
	for params, says := range map[string]string{
		`{"decoding": "magic"}`:                           `decoding must be greedy or beam, got "magic"`,
		`{"beam_width": 1001}`:                            "beam_width must be from 1 to 1000, got 1001",
		`{"temperature": 2, "beam_width": -1}`:            "beam_width must be from 1 to 1000, got -1; temperature must be from 0 to 1, got 2",
		`{"prompt": "` + strings.Repeat("x", 5000) + `"}`: "prompt must be at most 4096 bytes, got 5000",
	} {
		_, err := parseRequest(services.Task{Name: tasks.Transcribe, Params: []byte(params)})
		require.ErrorContains(t, err, says)
	}
}

// FuzzBeamSearch feeds any numbers, in pieces of any size.
func FuzzBeamSearch(f *testing.F) {
	f.Add([]byte("some logits, read as small numbers"), uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, width, pieces uint8) {
		d := bugsDecoder()
		values := make([]float32, min(len(data), 8*64)/8*8)
		for i := range values {
			values[i] = float32(int8(data[i])) / 8
		}
		one := newBeamSearch(d, int(width), newLexicon([]string{"bugs", "bunny"}), []string{"guy"})
		one.add(values)
		many := newBeamSearch(d, int(width), newLexicon([]string{"bugs", "bunny"}), []string{"guy"})
		step := 8 * (1 + int(pieces))
		told := 0
		decoding := &beamDecoding{search: many}
		for at := 0; at < len(values); at += step {
			decoding.add(values[at:min(at+step, len(values))])
			told += len(decoding.complete(false))
		}
		told += len(decoding.complete(true))
		text, words := decoding.answer()
		require.Len(t, words, told, "every word is told once")
		require.Equal(t, texts(one, one.finish())[0], text, "pieces make no difference")
	})
}
