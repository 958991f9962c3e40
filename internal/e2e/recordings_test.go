package e2e

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// sizeOf sums the sizes of the files in a folder.
func sizeOf(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		bytes += info.Size()
		return err
	}))
	return bytes
}

// TestARecordingLiesOnTheDiskOnce looks at the files of a server while a job's
// recording has been accepted, is downloaded in parts, and has been worked on.
func TestARecordingLiesOnTheDiskOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := append(configured(t, idle), "--data-dir", dir)
	s := start(t, args...)
	app := s.app(t)
	speech := longSpeech(t, 120)
	once := func() {
		t.Helper()
		left, err := os.ReadDir(filepath.Join(dir, "spool"))
		require.NoError(t, err)
		require.Empty(t, left, "no copy beside the store")
		stored := sizeOf(t, filepath.Join(dir, "jobs"))
		require.Greater(t, stored, int64(len(speech)))
		require.Less(t, stored, int64(len(speech))+300<<10)
	}
	j := s.accepted(t, app, transcription(speech, ""))
	once()
	path := s.url + "/v1/audio/" + j.AudioID
	for _, c := range []struct {
		header [2]string
		status int
		body   string
	}{
		{[2]string{"Range", "bytes=1000000-1000009"}, http.StatusPartialContent, string(speech[1000000:1000010])},
		{[2]string{"Range", "bytes=-7"}, http.StatusPartialContent, string(speech[len(speech)-7:])},
		{[2]string{"If-None-Match", `"` + j.AudioID + `"`}, http.StatusNotModified, ""},
		{[2]string{"Accept", "*/*"}, http.StatusOK, string(speech)},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		require.NoError(t, err)
		request.Header.Set(c.header[0], c.header[1])
		status, body := do(t, request)
		require.Equal(t, c.status, status, c.header)
		require.True(t, c.body == body, "%v: %d bytes of %d", c.header, len(body), len(c.body))
		once()
	}
	_, list := s.get(t, "/v1/audio")
	require.Contains(t, list, j.AudioID)
	require.NoError(t, s.stop(t), s.log)
	s = start(t, "--data-dir", dir)
	done, err := s.app(t).wait(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", done.Status)
	once()
}
