package audiofile

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-audio/wav"
	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/meta"
	"github.com/stretchr/testify/require"
)

// tagged writes a short sound with tags.
func tagged(t *testing.T, out Output, tags ...Tag) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "x."+string(out.Container)))
	require.NoError(t, err)
	defer file.Close()
	w, err := NewWriter(t.Context(), file, out, tags...)
	require.NoError(t, err)
	require.NoError(t, w.WriteFrames(make([]float32, 1001)))
	require.NoError(t, w.Close())
	return file.Name()
}

// TestTagsAreReadByOthers reads the tags with go-audio, mewkiz/flac and, if it is
// installed, ffprobe.
func TestTagsAreReadByOthers(t *testing.T) {
	t.Parallel()
	tags := []Tag{
		{TagTitle, "a rising siren, naïve\x00 \xff"},
		{TagComment, `{"seed":7}`},
		{TagSoftware, "grym-synth"},
		{"SEED", "7"},
		{"EMPTY", ""},
	}
	title := "a rising siren, naïve  \uFFFD"
	for _, depth := range []Depth{Depth16, Depth24, DepthFloat} {
		path := tagged(t, Output{WAV, depth, 16000, 1, ""}, tags...)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.EqualValues(t, len(data)-8, uint32(data[4])|uint32(data[5])<<8|uint32(data[6])<<16|uint32(data[7])<<24)
		decoder := wav.NewDecoder(bytes.NewReader(data))
		decoder.ReadMetadata()
		require.NoError(t, decoder.Err())
		require.NotNil(t, decoder.Metadata)
		require.Equal(t, []string{title, `{"seed":7}`, "grym-synth"},
			[]string{decoder.Metadata.Title, decoder.Metadata.Comments, decoder.Metadata.Software})
		probe(t, path, title)

		reader, err := Open(bytes.NewReader(data), int64(len(data)), DefaultConfig().Limits())
		require.NoError(t, err)
		require.EqualValues(t, 1001, reader.Format().Frames, "the tags are no sound")
	}
	path := tagged(t, Output{FLAC, Depth16, 16000, 1, ""}, tags...)
	stream, err := flac.ParseFile(path)
	require.NoError(t, err)
	defer stream.Close()
	comment, ok := stream.Blocks[0].Body.(*meta.VorbisComment)
	require.True(t, ok)
	require.Equal(t, [][2]string{{"TITLE", title}, {"COMMENT", `{"seed":7}`}, {"ENCODER", "grym-synth"}, {"SEED", "7"}}, comment.Tags)
	probe(t, path, title)
}

// probe returns the title according to ffprobe.
func probe(t *testing.T, path, title string) {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		return
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format_tags=title", "-of", "csv=p=0",
		path).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, title, strings.Trim(strings.TrimRight(string(out), "\n"), `"`))
}

func TestALongTagIsCutAtACharacter(t *testing.T) {
	t.Parallel()
	value := Tag{TagTitle, strings.Repeat("é", maxTagBytes)}.clean()
	require.Equal(t, strings.Repeat("é", maxTagBytes/2), value)
	require.Empty(t, infoChunk([]Tag{{"SEED", "7"}}))
}
