package jobs

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// readLines returns the lines as "number text", or "number !" for one that is refused.
func readLines(t testing.TB, r io.Reader) (lines []string) {
	t.Helper()
	for reader := newLineReader(r); ; {
		raw, err := reader.next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		text := string(raw)
		if err != nil {
			require.Equal(t, services.KindInvalid, services.KindOf(err))
			text = "!"
		}
		lines = append(lines, strings.Repeat("|", reader.line)+text)
	}
}

func TestLinesOfJSON(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	for text, want := range map[string][]string{
		"":                              nil,
		"\n\n":                          nil,
		"a":                             {"|a"},
		"a\n":                           {"|a"},
		"\ufeffa\r\n \t\r\n\nb":         {"|a", "||||b"},
		long + "\nb":                    {"|!", "||b"},
		long[1:] + "\nb":                {"|" + long[1:], "||b"},
		"a\n" + long + long + long:      {"|a", "||!"},
		strings.Repeat(" ", 3) + "a b ": {"|a b"},
	} {
		require.Equal(t, want, readLines(t, strings.NewReader(text)), "%.40q", text)
		if len(text) < 1000 {
			require.Equal(t, want, readLines(t, iotest.OneByteReader(strings.NewReader(text))), "%.40q", text)
		}
	}
	broken := newLineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	_, err := broken.next()
	require.NoError(t, err)
	_, err = broken.next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "half a line is none")
}

// FuzzLines compares the reader with a split of the whole text.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "\ufeff{}\r\n\r\n[]", "\n \n{\"a\":1}", "\x00\xff\n", strings.Repeat("x", 70_000) + "\ny"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want []string
		for i, line := range bytes.Split(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\n")) {
			if line = bytes.Trim(line, " \t\r"); len(line) > maxLine {
				line = []byte("!")
			}
			if len(line) > 0 {
				want = append(want, strings.Repeat("|", i+1)+string(line))
			}
		}
		require.Equal(t, want, readLines(t, bytes.NewReader(text)))
	})
}
