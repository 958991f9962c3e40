package audiofile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestARecordingThatEndsWithinAFrameIsReported cuts the last frame, which is not refused.
func TestARecordingThatEndsWithinAFrameIsReported(t *testing.T) {
	t.Parallel()
	whole := clip(t, "speech.mp3")
	for name, c := range map[string]struct {
		file []byte
		want bool
	}{
		"whole": {whole, false}, "with a tag": {cat(whole, []byte("TAG"), make([]byte, 125)), false},
		"cut": {whole[:len(whole)-10], true}, "half a frame behind the sound": {cat(whole, whole[len(whole)-144:][:20]), false},
	} {
		reader, err := openBytes(c.file)
		require.NoError(t, err, name)
		require.Equal(t, c.want, reader.Format().Truncated, name)
		warnings := reader.Format().Warnings()
		require.Len(t, warnings, map[bool]int{true: 1}[c.want], name)
		if c.want {
			require.Equal(t, services.Warning{Code: services.WarnTruncated, Field: "file", Message: "the recording ends within a frame of mp3; the sound before it was used"}, warnings[0])
		}
		require.NotEmpty(t, readAll(t, reader))
	}
}
