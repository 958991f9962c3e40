package e2e

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandsOfSounds has a server and the commands themselves do the same work.
func TestCommandsOfSounds(t *testing.T) {
	t.Parallel()
	s, out := start(t), t.TempDir()
	for name, args := range map[string][]string{
		"picture.png": {"draw", "--kind", "spectrogram", "--width", "300", "--height", "200"},
		"picture.svg": {"draw", "--theme", "dark"},
		"peaks.dat":   {"draw", "--kind", "peaks", "--pixels", "40", "--bits", "8"},
		"cut.flac":    {"edit", "--ops", `[{"op":"trim","end":0.5},{"op":"gain","gain_db":-3}]`},
		"values.json": {"analyze", "--features", "levels,pitch"},
	} {
		local, remote := filepath.Join(out, "local-"+name), filepath.Join(out, "remote-"+name)
		got := command(t, nil, nil,
			append([]string{program, args[0], "-o", local, "--data-dir", t.TempDir(), clips + "clip09.wav"}, args[1:]...)...)
		require.Equal(t, ended{}, got, name)
		got = command(t, nil, nil, append([]string{program, args[0], "-o", remote, "--server", s.url, clips + "clip09.wav"}, args[1:]...)...)
		require.Equal(t, ended{}, got, name)
		ours, err := os.ReadFile(local)
		require.NoError(t, err)
		theirs, err := os.ReadFile(remote)
		require.NoError(t, err)
		require.NotEmpty(t, ours)
		require.Equal(t, string(ours), string(theirs), name)
	}
}

// TestPicturesAreStoredAndGo restarts a server, and deletes the recording.
func TestPicturesAreStoredAndGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "--data-dir", dir)
	status, body := s.sendForm(t, "/v1/audio", clip(t, "clip09.wav"))
	require.Equal(t, http.StatusCreated, status, body)
	var recording struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &recording))
	path := "/v1/audio/" + recording.ID
	pictures := func() (n int) {
		require.NoError(t, filepath.WalkDir(filepath.Join(dir, "pictures"), func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				n++
			}
			return err
		}))
		return n
	}
	get := func(s *server, path string) string {
		status, body := s.send(t, http.MethodGet, path, "", nil)
		require.Equal(t, http.StatusOK, status, body)
		return body
	}
	want := []string{get(s, path+"/waveform"), get(s, path+"/spectrogram?theme=dark"), get(s, path+"/peaks?pixels=5")}
	require.Equal(t, 3, pictures())
	require.Equal(t, want[0], get(s, path+"/waveform"))
	require.Equal(t, 3, pictures())
	require.NoError(t, s.stop(t))

	s = start(t, "--data-dir", dir)
	require.Equal(t, 3, pictures())
	require.Equal(t, want, []string{get(s, path+"/waveform"), get(s, path+"/spectrogram?theme=dark"), get(s, path+"/peaks?pixels=5")})
	status, body = s.send(t, http.MethodDelete, path, "", nil)
	require.Equal(t, http.StatusNoContent, status, body)
	require.Zero(t, pictures(), "they go with their recording")
	status, _ = s.send(t, http.MethodGet, path+"/waveform", "", nil)
	require.Equal(t, http.StatusNotFound, status)
}
