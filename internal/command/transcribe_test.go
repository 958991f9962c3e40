package command

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// scripted answers every task with its name's words, and fails for "bad".
type scripted struct{ tasks []services.Task }

func (s *scripted) Execute(_ context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	s.tasks = append(s.tasks, task)
	for _, fraction := range []float64{0, 0.5, 0.501, 1} {
		sink.Progress(fraction, "listening")
	}
	if strings.HasPrefix(task.ID, "bad") {
		return services.TaskResult{}, errors.New("it is noise")
	}
	return services.TaskResult{Value: &services.Transcription{Text: "ONE", Words: []services.Word{{Text: "ONE", Start: 1, End: 2}}}}, nil
}

func recordings(t *testing.T, names ...string) []string {
	t.Helper()
	dir := t.TempDir()
	paths := make([]string, 0, len(names))
	for _, name := range names {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("sound"), 0o600))
		paths = append(paths, path)
	}
	return paths
}

func TestEveryFormatGoesToAFolder(t *testing.T) {
	t.Parallel()
	files := recordings(t, "a.wav", "bad.mp3", "c.flac")
	for format, starts := range map[string]string{
		"text": "ONE\n", "json": `{"text":"ONE"`, "srt": "1\n00:00:01,000", "vtt": "WEBVTT\n", "verbose_json": `{"task":"transcribe"`,
	} {
		folder := filepath.Join(t.TempDir(), "out")
		err := Transcription{Files: files, Format: format, Folder: folder, Params: services.TranscribeParams{Decoding: "greedy"}}.Transcribe(t.Context(), &scripted{}, "s")
		require.ErrorContains(t, err, "bad.mp3: it is noise")
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, entries, 2, "one failure keeps nobody from being heard")
		data, err := os.ReadFile(filepath.Join(folder, "c"+extensions[format]))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(data), starts), string(data))
		require.True(t, strings.HasSuffix(string(data), "\n"))
	}
}

func TestWhatCannotBeWrittenIsRefusedFirst(t *testing.T) {
	t.Parallel()
	files := recordings(t, "a.wav", "a.mp3")
	for says, one := range map[string]Transcription{
		"--format must be one of json, text, srt, vtt, verbose_json": {Files: files, Format: "xml"},
		"several files as srt need a folder":                         {Files: files, Format: "srt"},
		"would both be written to":                                   {Files: files, Format: "text", Folder: t.TempDir()},
	} {
		executor := &scripted{}
		require.ErrorContains(t, one.Transcribe(t.Context(), executor, "s"), says)
		require.Empty(t, executor.tasks)
	}
}

func TestTheBarIsDrawnAndTakenAway(t *testing.T) {
	t.Parallel()
	var out, bar bytes.Buffer
	files := recordings(t, strings.Repeat("long-", 10)+".wav")
	require.NoError(t, Transcription{Files: files, Format: "text", Out: &out, Progress: &bar}.Transcribe(t.Context(), &scripted{}, "s"))
	require.Equal(t, "ONE\n", out.String())
	name := "…-long-long-long-long-long-.wav"
	lines := strings.Split(bar.String(), "\r")
	require.Len(t, lines, 5, "half is drawn once: %q", bar.String())
	require.True(t, strings.HasSuffix(lines[2], "["+strings.Repeat("#", 15)+strings.Repeat(".", 15)+"]  50 %"), lines[2])
	require.True(t, strings.HasPrefix(lines[2], "…") && strings.Contains(lines[2], name[len("…"):]), lines[2])
	require.Equal(t, "\x1b[K", lines[4])
}
