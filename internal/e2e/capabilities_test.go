package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// abilities are what a server says that it can do.
type abilities struct {
	Capabilities []struct {
		Task, Service string
		Ready         bool
		Reason        string
		Models        []string
		DefaultModel  string `json:"default_model"`
	}
	Audio struct {
		Decodes, Encodes []string
		FFmpeg           bool
	}
}

// can returns the abilities, with the readiness of each task.
func (s *server) can(t *testing.T) (all abilities, ready map[string]bool) {
	t.Helper()
	status, body := s.get(t, "/v1/system")
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &all), body)
	ready = make(map[string]bool)
	for _, c := range all.Capabilities {
		ready[c.Task] = ready[c.Task] || c.Ready // by any service
		require.Equal(t, c.Ready, c.Reason == "", "%+v", c)
	}
	return all, ready
}

// TestCapabilitiesAreTrue compares what the server says that it can do with what it does,
// with the embedded models alone, with a drained service, and without a decoder for more
// formats.
func TestCapabilitiesAreTrue(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{settings: `audio: {ffmpeg: "off"}`})
	all, ready := s.can(t)
	require.Equal(t, map[string]bool{
		"convert": true, "transcribe": true, "embed": true, "classify": true, "generate": true, "analyze": true,
		"ask": true, "caption": true, "edit": true, "draw": true, "peaks": true, "pull": true, "run": true,
		"teach": true, "detect": true, "search": true, "correct": true, "reembed": true, "import_patterns": true,
		"translate": false, // no embedded model can
	}, ready)
	short := clip(t, "clip09.wav")
	for task, path := range map[string]string{"embed": "embeddings", "classify": "classifications", "transcribe": "transcriptions",
		"convert": "conversions", "caption": "captions"} {
		var fields []string
		if task == "classify" {
			fields = []string{"labels", "speech", "labels", "a dog"}
		}
		status, body := s.sendForm(t, "/v1/audio/"+path, short, fields...)
		require.Equal(t, ready[task], status == http.StatusOK, "%s: %d %s", task, status, body)
	}
	for _, c := range all.Capabilities {
		if c.Task == "transcribe" && c.Service == "wav2vec2" {
			require.Equal(t, "wav2vec2-tiny", c.DefaultModel)
			require.Equal(t, []string{"wav2vec2-tiny"}, c.Models)
		}
	}
	require.False(t, all.Audio.FFmpeg)
	require.Equal(t, []string{
		"wav", "flac", "mp3", "mp2", "aiff", "au", "caf", "w64", "m4a-alac", "mp4-flac", "mov-pcm", "ogg-flac", "webm-flac", "webm-pcm",
		"ogg-opus", "ogg-vorbis", "webm-opus", "webm-vorbis", "mp4-opus",
	}, all.Audio.Decodes)
	require.Equal(t, []string{"wav", "flac", "pcm"}, all.Audio.Encodes)

	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/wav2vec2/drain", `{"reason":"new weights"}`)
	all, ready = s.can(t)
	require.False(t, ready["transcribe"])
	for _, c := range all.Capabilities {
		if c.Task == "transcribe" && c.Service == "wav2vec2" {
			require.Contains(t, c.Reason, "new weights")
			require.Empty(t, c.Models)
		}
	}

	ffmpeg := filepath.Join(t.TempDir(), "ffmpeg")
	require.NoError(t, os.WriteFile(ffmpeg, []byte("#!/bin/sh\n"), 0o700))
	s = startWith(t, options{settings: "audio: {ffmpeg: " + ffmpeg + "}"})
	all, _ = s.can(t)
	require.True(t, all.Audio.FFmpeg)
	require.Contains(t, all.Audio.Decodes, "m4a")
	require.NoError(t, os.Remove(ffmpeg))
	all, _ = s.can(t)
	require.False(t, all.Audio.FFmpeg)
	require.NotContains(t, all.Audio.Decodes, "m4a")
}
