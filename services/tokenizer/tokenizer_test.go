package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference is the folder of external reference files.
func reference(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("GRYM_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no reference files at %s; name their folder in GRYM_TESTDATA", dir)
	}
	return dir
}

func roberta(t testing.TB) *ByteLevel {
	t.Helper()
	dir := filepath.Join(reference(t), "testdata", "tokenizers", "roberta-base")
	vocab, err := os.ReadFile(filepath.Join(dir, "vocab.json"))
	require.NoError(t, err)
	merges, err := os.ReadFile(filepath.Join(dir, "merges.txt"))
	require.NoError(t, err)
	tokens, err := NewByteLevel(vocab, merges, "<unk>")
	require.NoError(t, err)
	return tokens
}

// TestIdsAreThoseOfAnotherImplementation has vectors from transformers.js and one from
// diffusers' documentation.
func TestIdsAreThoseOfAnotherImplementation(t *testing.T) {
	t.Parallel()
	tokens := roberta(t)
	var golden struct {
		Roberta []struct {
			Name, Text string
			IDs        []int
		}
	}
	data, err := os.ReadFile(filepath.Join(reference(t), "golden", "tokenizers.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	require.NotEmpty(t, golden.Roberta)
	for _, g := range golden.Roberta {
		if strings.Contains(g.Text, "<mask>") || strings.Contains(g.Text, "</s>") {
			continue // special tokens in the text are encoded as text
		}
		require.Equal(t, g.IDs[1:len(g.IDs)-1], tokens.Encode(g.Text), g.Name)
	}
	require.Equal(t, []int{250, 13547, 3022, 10, 11678, 4084}, tokens.Encode("A hammer hitting a wooden surface"))
}

func TestEveryTextComesBack(t *testing.T) {
	t.Parallel()
	tokens := roberta(t)
	for _, text := range []string{
		"", " ", "   two  spaces ", "don't we'll I'd", "naïve 北京 🎉\n\ttabs\r\n", "a\u00a0b\u3000c", "x1y22 ½ ٣",
		strings.Repeat("ab", 20000),
	} {
		require.Equal(t, text, tokens.Decode(tokens.Encode(text)))
		require.Equal(t, text, strings.Join(split(text), ""))
	}
}

func TestWordsAreCutAsGPT2Does(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"Hello, world":    {"Hello", ",", " world"},
		"a  b":            {"a", " ", " b"},
		"a \n b ":         {"a", " \n", " b", " "},
		"they're 42nd's!": {"they", "'re", " 42", "nd", "'s", "!"},
		"x\u00a0y":        {"x", "\u00a0", "y"},
		" 'S":             {" '", "S"},
	} {
		require.Equal(t, want, split(text), text)
	}
}

func TestFilesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	_, err := NewByteLevel([]byte("[]"), nil, "")
	require.ErrorIs(t, err, ErrFiles)
	_, err = NewByteLevel([]byte("{}"), []byte("#version: 0.2\na b\nc\n"), "")
	require.ErrorContains(t, err, "line 3")
}

func FuzzEncode(f *testing.F) {
	f.Add("a rising siren")
	f.Add("\xff\xfe 'll \u2028")
	tokens, err := NewByteLevel([]byte(`{"a":0,"b":1,"ab":2}`), []byte("a b\n"), "")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		tokens.Encode(text)
		if strings.Join(split(text), "") != text {
			t.Errorf("split loses part of %q", text)
		}
	})
}
