package ngram

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden has KenLM's scores of some texts by each file; models/export/lm_golden.py writes it.
type golden struct {
	Texts  [][]string             `json:"texts"`
	Scores map[string][][]float64 `json:"scores"`
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &g))
	return g
}

func load(data []byte) (*Model, error) {
	file, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return file.Load(context.Background())
}

// TestScoresEqualKenLM compares the score of every word, of every format.
func TestScoresEqualKenLM(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	require.Len(t, g.Scores, 6)
	for name, want := range g.Scores {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		m, err := load(data)
		require.NoError(t, err, name)
		require.Equal(t, 4, m.Order())
		for i, words := range g.Texts {
			state := m.Begin()
			for j, word := range words {
				var score float32
				score, state = m.Score(state, word)
				require.InDelta(t, want[i][j], float64(score), 1e-4, "%s: %v at %d", name, words, j)
			}
			require.InDelta(t, want[i][len(words)], float64(m.End(state)), 1e-4, name)
		}
		require.False(t, m.Has("nobody"))
		require.False(t, m.Has("<unk>"))
		require.True(t, m.Has("one"))
	}
}

// small is a model of two words.
const small = `# a comment

\data\
ngram 1=4
ngram 2=2

\1-grams:
-1	<s>	-0.5
-2	</s>
-0.5	a	-0.25
-0.75 b

\2-grams:
-0.125	<s> a
-0.0625	a b

\end\
`

// TestBackingOff computes scores by hand.
func TestBackingOff(t *testing.T) {
	t.Parallel()
	m, err := load([]byte(small))
	require.NoError(t, err)
	a, after := m.Score(m.Begin(), "a")
	require.InDelta(t, -0.125, a, 1e-6)
	b, _ := m.Score(after, "b")
	require.InDelta(t, -0.0625, b, 1e-6)
	again, _ := m.Score(after, "a")
	require.InDelta(t, -0.25-0.5, again, 1e-6, "the 2-gram does not exist")
	require.InDelta(t, -0.25-2, m.End(after), 1e-6)
	alone, _ := m.Score(m.Empty(), "b")
	require.InDelta(t, -0.75, alone, 1e-6)
	other, _ := m.Score(after, "c")
	require.InDelta(t, -0.25-100, other, 1e-4, "without <unk>")
}

func TestBrokenARPA(t *testing.T) {
	t.Parallel()
	change := func(old, replaced string) string {
		require.Contains(t, small, old)
		return strings.Replace(small, old, replaced, 1)
	}
	for says, text := range map[string]string{
		"it ends at line":                           "",
		`line 3: must be \data\`:                    change(`\data\`, `\date\`),
		"must be ngram 1=NUMBER":                    change("ngram 1=4", "ngram 1=x"),
		"must be ngram 2=NUMBER":                    change("ngram 2=2", "ngram 3=2"),
		"n-grams of at least":                       change("ngram 2=2", "ngram 2=99"),
		"must have at most 268435456 words":         change("ngram 1=4", "ngram 1=18446744073709551615"),
		"from 2 to 8 words, got 1":                  change("ngram 2=2\n", ""),
		`must be \2-grams:`:                         change("ngram 1=4", "ngram 1=3"),
		`must be \end\ after the last of 1 2-grams`: change("ngram 2=2", "ngram 2=1"),
		"at most 0, got \"1\"":                      change("-0.125", "1"),
		"at most 0, got \"nan\"":                    change("-0.125", "nan"),
		"the back-off weight must be a number":      change("-0.25", "x"),
		`the word "z" is not among the 1-grams`:     change("a b\n", "a z\n"),
		`the word "a" is there twice`:               change("-0.75 b", "-0.75 a"),
		"must have a number, 2 words":               change("a b\n", "a b c d e\n"),
		"must be at most 65536 bytes":               change("a b\n", "a "+strings.Repeat("b", 1<<17)+"\n"),
		"it ends at line 16":                        change("\n\\end\\\n", ""),
	} {
		_, err := load([]byte(text))
		require.ErrorIs(t, err, ErrFormat, says)
		require.ErrorContains(t, err, says)
	}
}

func TestBrokenBinary(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"probing.bin", "trie.bin", "quantised-array.bin"} {
		whole, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		for says, change := range map[string]func(data []byte) []byte{
			"another version":          func(data []byte) []byte { data[48] = '4'; return data },
			"from 2 to 8 words, got 9": func(data []byte) []byte { data[88] = 9; return data },
			"multiplier must be":       func(data []byte) []byte { data[95] = 0; return data },
			"has rest costs":           func(data []byte) []byte { data[96] = 1; return data },
			"the unknown kind 9":       func(data []byte) []byte { data[96] = 9; return data },
			"it has version 7":         func(data []byte) []byte { data[104] = 7; return data },
			"n-grams of at least":      func(data []byte) []byte { data[108+3] = 1; return data },
			"":                         func(data []byte) []byte { return data[:len(data)/2] },
			"its head ends at byte 90": func(data []byte) []byte { return data[:90] },
		} {
			_, err := load(change(bytes.Clone(whole)))
			require.ErrorIs(t, err, ErrFormat, "%s: %s", name, says)
			require.ErrorContains(t, err, says, name)
		}
	}
}

// TestLoadingCanBeCancelled cancels before the first n-gram.
func TestLoadingCanBeCancelled(t *testing.T) {
	t.Parallel()
	for name := range readGolden(t).Scores {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = file.Load(ctx)
		require.ErrorIs(t, err, context.Canceled, name)
	}
}

// TestMemoryIsThatOfTheTables compares the prediction with what is allocated.
func TestMemoryIsThatOfTheTables(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/model.arpa")
	require.NoError(t, err)
	file, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	m, err := file.Load(t.Context())
	require.NoError(t, err)
	bytes := 8*cap(m.unigrams) + 8*cap(m.words.keys) + 4*cap(m.words.values)
	for _, one := range m.grams {
		bytes += 8*cap(one.keys) + 8*cap(one.values)
	}
	loaded, loading := file.Bytes()
	require.Equal(t, int64(bytes), loaded)
	require.Equal(t, loaded, loading)
}

// FuzzModel loads arbitrary bytes and scores a text.
func FuzzModel(f *testing.F) {
	f.Add([]byte(small))
	for name := range readGolden(f).Scores {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		_, loading := file.Bytes()
		require.LessOrEqual(t, loading, int64(200*len(data)+4096), "memory is bounded by the file")
		m, err := file.Load(t.Context())
		if err != nil {
			return
		}
		state := m.Begin()
		for _, word := range []string{"a", "b", "nobody", "one", ""} {
			_, state = m.Score(state, word)
		}
		m.End(state)
	})
}
