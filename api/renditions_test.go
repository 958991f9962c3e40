package api

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/audio"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// shelf has the recording hash of the owner alice.
type shelf struct {
	audio.Recordings
	file     services.AudioSource
	released int
}

func (s *shelf) Describe(_ context.Context, caller services.Caller, id string) (library.Recording, error) {
	if caller.Key != "alice" || id != hash {
		return library.Recording{}, services.Faultf(services.KindNotFound, "recording %q does not exist, or has expired", id)
	}
	return library.Recording{ID: id}, nil
}

func (s *shelf) StoredAudio(context.Context, services.Caller, string) (services.AudioSource, func(), error) {
	return s.file, func() { s.released++ }, nil
}

// remembered are renditions in memory.
type remembered map[string]string

func (r remembered) Get(owner, audio, key string) ([]byte, bool) {
	content, found := r[owner+audio+key]
	return []byte(content), found
}

func (r remembered) Put(owner, audio, key string, content []byte) {
	r[owner+audio+key] = string(content)
}

// pictures returns a server with a stored recording, and what was drawn.
func pictures(t *testing.T) (b *bundle, drawn *[]services.Task, stored remembered, s *shelf) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, []byte("sound"), 0o600))
	s = &shelf{file: &services.Artifact{Path: path, Bytes: 5}}
	drawn, stored = new([]services.Task), make(remembered)
	b = setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		*drawn = append(*drawn, task)
		result := services.TaskResult{Value: &tasks.Picture{Kind: "waveform", Format: "png", Data: []byte("drawn")}}
		switch {
		case task.Name == tasks.ComputePeaks:
			result.Value = &tasks.Peaks{Version: 2, Channels: 1, Bits: 16, Length: 1, Data: []int16{-1, 2}}
		case strings.Contains(string(task.Params), `"height":17`):
			return services.TaskResult{}, services.Invalidf("height", "must be more")
		case strings.Contains(string(task.Params), `"height":18`):
			result.Warnings = []services.Warning{{Code: services.WarnTruncated, Message: "cut"}}
		}
		return result, nil
	}), func(_ *Config, d *Dependencies) {
		d.Keys, d.Recordings, d.StoredAudio, d.Renditions = everyKey{}, s, s, stored
	})
	return b, drawn, stored, s
}

// see sends a GET request for a rendition.
func (b *bundle) see(t *testing.T, path string, header ...string) (*answer, string) {
	t.Helper()
	return b.call(t, http.MethodGet, "/v1/audio/"+hash+"/"+path, "", append(header, "Authorization", "Bearer alice")...)
}

// TestAStoredRecordingIsDrawnOnce sends the same requests again.
func TestAStoredRecordingIsDrawnOnce(t *testing.T) {
	t.Parallel()
	b, drawn, stored, s := pictures(t)
	tags := make(map[string]bool)
	for i, c := range []struct {
		path, accept, params, contentType, body string
	}{
		{"waveform", "", `{"kind":"waveform"}`, "image/png", "drawn"},
		{"waveform?width=300&axes=false&start=0.5", "", `{"kind":"waveform","width":300,"axes":false,"start":0.5}`, "image/png", "drawn"},
		{"spectrogram?format=svg", "", `{"kind":"spectrogram","format":"svg"}`, "image/svg+xml", "drawn"},
		{"spectrogram", "image/svg+xml", `{"kind":"spectrogram","format":"svg"}`, "", "drawn"},
		{"spectrogram", "application/json", `{"kind":"spectrogram"}`, "application/json", `"data":"ZHJhd24="`},
		{"peaks?pixels=9", "", `{"pixels":9}`, "application/json", `"data":[-1,2]`},
		{"peaks?pixels=9&format=dat", "", `{"pixels":9,"format":"dat"}`, "application/octet-stream", "\xff\xff\x02\x00"},
		{"peaks?pixels=9", "application/octet-stream", `{"pixels":9}`, "application/octet-stream", "\xff\xff\x02\x00"},
	} {
		runs := len(*drawn)
		answer, body := b.see(t, c.path, "Accept", c.accept)
		require.Equal(t, http.StatusOK, answer.StatusCode, body)
		require.Contains(t, body, c.body, c.path)
		if c.contentType == "" { // the same as the one before, by its Accept header
			require.Len(t, *drawn, runs)
			continue
		}
		require.Len(t, *drawn, runs+1, c.path)
		require.JSONEq(t, c.params, string((*drawn)[runs].Params))
		require.Equal(t, c.contentType, answer.Header.Get("Content-Type"))
		tag := answer.Header.Get("ETag")
		require.Regexp(t, `^W/"[0-9a-f]{32}"$`, tag)
		require.NotContains(t, tags, tag)
		tags[tag] = true

		again, same := b.see(t, c.path, "Accept", c.accept)
		require.Equal(t, body, same)
		require.Equal(t, answer.Header.Get("Content-Type"), again.Header.Get("Content-Type"))
		again, same = b.see(t, c.path, "Accept", c.accept, "If-None-Match", `"x", `+strings.TrimPrefix(tag, "W/"))
		require.Equal(t, http.StatusNotModified, again.StatusCode)
		require.Empty(t, same)
		require.Len(t, *drawn, runs+1, "it is stored")
		require.Equal(t, len(tags), len(stored), "%d", i)
	}
	require.Positive(t, s.released)
}

// TestAStoredPictureIsItsOwners: another caller has no such recording.
func TestAStoredPictureIsItsOwners(t *testing.T) {
	t.Parallel()
	b, drawn, _, _ := pictures(t)
	answer, _ := b.see(t, "waveform")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	tag := answer.Header.Get("ETag")
	answer, body := b.call(t, http.MethodGet, "/v1/audio/"+hash+"/waveform", "", "Authorization", "Bearer bob", "If-None-Match", tag)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.Contains(t, body, "does not exist")
	require.Empty(t, answer.Header.Get("ETag"))
	answer, _ = b.call(t, http.MethodGet, "/v1/audio/"+hash+"/waveform", "")
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	require.Len(t, *drawn, 1)
}

func TestParametersOfStoredPicturesAreChecked(t *testing.T) {
	t.Parallel()
	b, drawn, stored, _ := pictures(t)
	for path, want := range map[string]string{
		"waveform?colour=red":         "colour is not a parameter of this route; the parameters are axes, channels, end, format, height",
		"waveform?kind=spectrogram":   "kind is not a parameter of this route",
		"waveform?window=512":         "window is not a parameter of this route",
		"waveform?width=9000":         "width must be at most 8192",
		"waveform?width=wide":         "width",
		"spectrogram?colors=jet":      "colors must be one of viridis, cividis, magma, gray",
		"waveform?theme=dark&theme=l": "theme must not be repeated, got 2 values",
		"peaks?bits=12":               "bits must be one of 8, 16",
	} {
		answer, body := b.see(t, path)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode, path)
		require.Contains(t, body, want)
	}
	require.Empty(t, *drawn)
	answer, body := b.see(t, "waveform?height=17")
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	require.Contains(t, body, "height must be more")
	require.Empty(t, answer.Header.Get("ETag"))
	require.Empty(t, stored)
	for range 2 {
		answer, _ = b.see(t, "waveform?height=18")
		require.Equal(t, "truncated", answer.Header.Get("Grym-Warning"))
	}
	require.Len(t, *drawn, 2)
}

// TestPicturesOfUploads negotiates the format.
func TestPicturesOfUploads(t *testing.T) {
	t.Parallel()
	b, drawn, _, _ := pictures(t)
	for _, c := range [][3]string{
		{"", `{"kind":"loudness"}`, "image/png"}, {"image/svg+xml", `{"kind":"loudness","format":"svg"}`, "image/svg+xml"},
		{"image/avif,image/svg+xml,image/*,*/*;q=0.8", `{"kind":"loudness"}`, "image/png"},
		{"application/json", `{"kind":"loudness"}`, "application/json"},
	} {
		answer, body := b.call(t, http.MethodPost, "/v1/audio/pictures", form("file", "sound", "kind", "loudness"), "Content-Type", formType,
			"Authorization", "Bearer alice", "Accept", c[0])
		require.Equal(t, http.StatusOK, answer.StatusCode, body)
		require.JSONEq(t, c[1], string((*drawn)[len(*drawn)-1].Params))
		require.Equal(t, c[2], answer.Header.Get("Content-Type"))
	}
}

// TestJSONGetsNoDefaults: some of them would exclude other parameters.
func TestJSONGetsNoDefaults(t *testing.T) {
	t.Parallel()
	b, drawn, _, _ := pictures(t)
	for route, params := range map[string]string{
		"/v1/audio/peaks": `"samples_per_pixel":9`, "/v1/audio/pictures": `"kind":"waveform","width":300`,
	} {
		answer, body := b.call(t, http.MethodPost, route, `{"audio_id":"`+hash+`",`+params+`}`, "Content-Type", jsonType,
			"Authorization", "Bearer alice")
		require.Equal(t, http.StatusOK, answer.StatusCode, body)
		require.JSONEq(t, "{"+params+"}", string((*drawn)[len(*drawn)-1].Params))
	}
}
