package services

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestClip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "",
		"short":             "short",
		"0123456789":        "0123456789",
		"0123456789a":       "0123456…",
		"äöüßä":             "äöüßä",
		"äöüßäx":            "äöü…",
		"\x01\x01":          "\x01…",
		"\"\"\"\"\"\"":      "\"\"\"…",
		"\xff\xff\xff":      "…",
		"01234567\xe2\x82a": "0123456…",
	} {
		require.Equal(t, want, Clip(text, 10), "%q", text)
	}
}

// FuzzClip checks the size of the JSON.
func FuzzClip(f *testing.F) {
	for _, text := range []string{"plain", "\x00\x1f\"\\", "ä€😀", "\xff\xfe", "\u2028<&>"} {
		f.Add(strings.Repeat(text, 50), 64)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 3 || limit > 1<<16 {
			return
		}
		cut := Clip(text, limit)
		raw, err := json.Marshal(cut)
		require.NoError(t, err)
		require.LessOrEqual(t, len(raw)-2, limit+3)
		require.True(t, cut == text || utf8.ValidString(cut) && strings.HasSuffix(cut, "…"))
	})
}
