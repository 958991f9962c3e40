package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

func TestFactsOfAFile(t *testing.T) {
	t.Parallel()
	write := func(content []byte) services.AudioSource {
		path := filepath.Join(t.TempDir(), "sound")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return &services.Artifact{Path: path, Bytes: int64(len(content))}
	}
	encode := func(container audiofile.Container) []byte {
		file, err := os.Create(filepath.Join(t.TempDir(), "encoded"))
		require.NoError(t, err)
		writer, err := audiofile.NewWriter(t.Context(), file, audiofile.Output{
			Container: container, Depth: audiofile.Depth16, SampleRateHz: 8000, Channels: 2,
		})
		require.NoError(t, err)
		require.NoError(t, writer.WriteFrames(make([]float32, 2*12000)))
		require.NoError(t, writer.Close())
		content, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return content
	}
	for container, contentType := range map[audiofile.Container]string{audiofile.WAV: "audio/wav", audiofile.FLAC: "audio/flac"} {
		facts, found := factsOf(write(encode(container)))
		require.Equal(t, contentType, found)
		require.Equal(t, library.Facts{Duration: 1.5, SampleRate: 8000, Channels: 2}, facts)
	}
	for _, content := range [][]byte{nil, []byte("some words"), bytes.Repeat([]byte{7}, 100)} {
		facts, contentType := factsOf(write(content))
		require.Zero(t, facts)
		require.Empty(t, contentType)
	}
	facts, contentType := factsOf(&services.Artifact{Path: filepath.Join(t.TempDir(), "none"), Bytes: 7})
	require.Zero(t, facts)
	require.Empty(t, contentType)
}
