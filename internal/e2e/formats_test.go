package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The clips are one recording in every format.
func encoded(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("services", "audiofile", "testdata", name))
	require.NoError(t, err)
	return data
}

func (s *server) convert(t *testing.T, audio []byte, fields ...string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/conversions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	return do(t, request)
}

func TestTheSameWordsInEveryFormat(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, name := range []string{
		"speech.flac", "speech.mp3", "speech-22k.mp3", "speech-stereo.mp3", "speech-silk.opus", "speech-hybrid.opus",
		"speech-celt.opus", "speech-60ms.opus", "speech.webm", "speech-live.webm",
		"speech-51.opus", "speech.ogg", "speech-stereo.ogg", "speech-vorbis.webm", "speech.mp2", "speech-alac.m4a", "speech-opus.mp4",
	} {
		status, body := s.transcribe(t, encoded(t, name), "response_format", "text")
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, "MUTE TRACK ONE\n", body, name)
		// And once more through the converter.
		status, sound := s.convert(t, encoded(t, name), "container", "flac", "sample_rate", "22050", "channels", "2", "bit_depth", "24")
		require.Equal(t, http.StatusOK, status, sound)
		require.Equal(t, "fLaC", sound[:4])
		status, body = s.transcribe(t, []byte(sound), "response_format", "text")
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, "MUTE TRACK ONE\n", body, "%s, converted", name)
	}
	left, err := os.ReadDir(filepath.Join(s.cmd.Args[4], "spool"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRecordingsThatAreRefused(t *testing.T) {
	t.Setenv("GRYM_AUDIO__FFMPEG", "off")
	t.Setenv("GRYM_AUDIO__MAXDURATION", "1s")
	s := start(t)
	for _, test := range []struct {
		name   string
		audio  []byte
		status int
		text   string
	}{
		{"no ffmpeg", encoded(t, "speech.m4a"), http.StatusUnsupportedMediaType,
			"is an M4A (MPEG-4 audio) file with sound coded as AAC; accepted: WAV"},
		{"too long", encoded(t, "speech.webm"), http.StatusRequestEntityTooLarge, "the limit is 1s"},
		{"text", []byte("hello"), http.StatusUnsupportedMediaType, "file is text"},
		{"empty", []byte{}, http.StatusBadRequest, "file is empty"},
	} {
		status, body := s.convert(t, test.audio)
		require.Equal(t, test.status, status, "%s: %s", test.name, body)
		require.Contains(t, body, test.text, test.name)
	}
}
