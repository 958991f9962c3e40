package web

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// several returns sounds in files.
func several(t *testing.T, texts ...string) *services.Artifact {
	t.Helper()
	var first *services.Artifact
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), strconv.Itoa(i))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		one := &services.Artifact{Path: path, ContentType: "audio/ogg;codecs=opus", Bytes: int64(len(text))}
		if first == nil {
			first = one
		} else {
			first.More = append(first.More, one)
		}
	}
	return first
}

// entries returns the files of an archive.
func entries(t *testing.T, data []byte) map[string]string {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	files := make(map[string]string)
	for _, entry := range reader.File {
		file, err := entry.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(file) // which compares the checksum
		require.NoError(t, err)
		files[entry.Name] = string(text)
	}
	return files
}

// TestSeveralSounds has a route that returns one or several, and what clients accept.
func TestSeveralSounds(t *testing.T) {
	t.Parallel()
	route := Route{RouteOptions: RouteOptions{Sound: &SoundRoute{File: "made"}},
		offers: []string{"application/json", "application/zip", "audio/ogg"}}
	answer := func(accept string, texts ...string) *httptest.ResponseRecorder {
		w, sounds := httptest.NewRecorder(), several(t, texts...)
		require.NoError(t, route.answer(w, []string{accept}, nil, services.TaskResult{Value: map[string]int{"n": 3}, Audio: sounds}))
		for _, one := range sounds.All() {
			require.NoFileExists(t, one.Path)
		}
		return w
	}
	w := answer("*/*", "one", "two")
	require.Equal(t, "application/zip", w.Header().Get("Content-Type"))
	require.Equal(t, `attachment; filename=made.zip`, w.Header().Get("Content-Disposition"))
	require.Equal(t, map[string]string{"made-1.ogg": "one", "made-2.ogg": "two", "made.json": "{\"n\":3}\n"}, entries(t, w.Body.Bytes()))
	names := make([]string, 12)
	require.Contains(t, entries(t, answer("audio/ogg", names...).Body.Bytes()), "made-07.ogg")

	require.Equal(t, "one", answer("*/*", "one").Body.String())
	require.Contains(t, entries(t, answer("application/zip", "one").Body.Bytes()), "made-1.ogg")
	w = answer("application/json", "one", "sound")
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
	require.JSONEq(t, `{"n":3,"sounds":[{"content_type":"audio/ogg;codecs=opus","bytes":3,"audio":"b25l"},
		{"content_type":"audio/ogg;codecs=opus","bytes":5,"audio":"c291bmQ="}]}`, w.Body.String())

	// A file that is gone is an error before the answer begins.
	w, sounds := httptest.NewRecorder(), several(t, "one", "two")
	require.NoError(t, os.Remove(sounds.More[0].Path))
	err := route.answer(w, nil, nil, services.TaskResult{Value: struct{}{}, Audio: sounds})
	require.Equal(t, services.KindInternal, services.KindOf(err))
	require.Zero(t, w.Body.Len())
}

// TestInlineSoundsAreJSON has every shape of the fields around them.
func TestInlineSoundsAreJSON(t *testing.T) {
	t.Parallel()
	for _, before := range []string{`{}`, `{"a":1}`} {
		for _, after := range []string{`{}`, `{"b":[2]}`} {
			w := httptest.NewRecorder()
			require.NoError(t, inlineSounds{several(t, ""), []byte(before), []byte(after)}.Send(w))
			require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
			require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
		}
	}
}
