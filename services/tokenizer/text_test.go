package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func readText(t testing.TB, parts ...string) Text {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	text, err := FromJSON(data)
	require.NoError(t, err)
	return text
}

// TestTenThousandStrings compares with transformers.js for a tokenizer of each kind.
// models/parity/tokenizer.mjs writes the reference.
func TestTenThousandStrings(t *testing.T) {
	t.Parallel()
	var golden struct {
		Strings []struct {
			Text            string
			Fallback, Bytes []int
		}
		Decoded []string
	}
	readGolden(t, "golden.json.gz", &golden)
	fallback := readText(t, "testdata", "fallback.json")
	bytes := readText(t, "..", "..", "models", "gama-tiny", "tokenizer.json")
	require.Len(t, golden.Strings, 10000)
	for _, g := range golden.Strings {
		require.Equal(t, g.Fallback, append([]int{}, fallback.Encode(g.Text)...), "%q", g.Text)
		require.Equal(t, g.Bytes, append([]int{}, bytes.Encode(g.Text)...), "%q", g.Text)
		require.Equal(t, g.Text, fallback.Decode(fallback.Encode(g.Text)))
		require.Equal(t, g.Text, bytes.Decode(bytes.Encode(g.Text)))
	}
	a, ok := fallback.ID("a")
	require.True(t, ok)
	for id, want := range golden.Decoded {
		require.Equal(t, want, fallback.Decode([]int{a, id}), "id %d", id)
	}
}

func TestLongWordsTakeNoSquareOfTheirLength(t *testing.T) {
	t.Parallel()
	fallback := readText(t, "testdata", "fallback.json")
	// A megabyte in one word would take a minute if merging were quadratic.
	text := strings.Repeat("the model and its memory ", 40_000)
	require.Equal(t, text, fallback.Decode(fallback.Encode(text)))
}

func TestHalfCharactersAreHeldBack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "a": 1, "a\xe5": 1, "a\xe5\x8c": 1, "a\xe5\x8c\x97": 4, "\xf0\x9f\x8e": 0, "\xff": 1,
		"\x80\x80": 2, "a\xc3(": 3,
	} {
		require.Equal(t, want, Complete([]byte(text)), "%q", text)
	}
}

func TestTokenizersThatCannotBeFollowedAreRefused(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{`: "tokenizer.json",
		`{"model":{"type":"WordPiece","vocab":{"a":0}}}`:   "WordPiece",
		`{"model":{"vocab":{}}}`:                           "empty",
		`{"model":{"vocab":{"a":0},"merges":["a"]}}`:       "is not a pair",
		`{"model":{"vocab":{"a":0},"merges":[["a"]]}}`:     "1 tokens",
		`{"model":{"vocab":{"a":0},"ignore_merges":true}}`: "ignore_merges",
		`{"model":{"vocab":{"a":0}}}`:                      "ByteLevel",
		`{"model":{"vocab":{"a":0},"byte_fallback":true}}`: "<0x00>",
		`{"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"a":0},"merges":["a a"]}}`: "normalizer",
	} {
		_, err := FromJSON([]byte(data))
		require.ErrorIs(t, err, ErrFiles, data)
		require.ErrorContains(t, err, want, data)
	}
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b",["ab","a"]]}}`),
		"abab")
	f.Add([]byte(`{"model":{"byte_fallback":true,"vocab":{"\u2581":-1}}}`), "\xff \u2581")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tokens, err := FromJSON(data)
		if err != nil {
			return
		}
		if decoded := tokens.Decode(tokens.Encode(text)); !utf8.ValidString(decoded) {
			t.Errorf("%q is no text", decoded)
		}
	})
}
