package e2e

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// minute says one clip's words over and over for more than a minute, and returns
// how often.
func minute(t *testing.T) (audio []byte, times int) {
	t.Helper()
	one := clip(t, "clip09.wav")
	body := append(bytes.Clone(one[44:]), make([]byte, 2*4000)...)
	samples := []byte{}
	for len(samples) < 65*2*16000 {
		samples = append(samples, body...)
		times++
	}
	audio = append(bytes.Clone(one[:44]), samples...)
	binary.LittleEndian.PutUint32(audio[4:], uint32(len(audio)-8))
	binary.LittleEndian.PutUint32(audio[40:], uint32(len(samples)))
	return audio, times
}

func TestLongAudioInEveryFormat(t *testing.T) {
	t.Parallel()
	s := start(t)
	audio, times := minute(t)
	want := strings.TrimSpace(strings.Repeat("MUTE TRACK ONE ", times))

	status, body := s.transcribe(t, audio, "response_format", "text")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, want+"\n", body)

	status, body = s.transcribe(t, audio, "response_format", "srt")
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, strings.HasPrefix(body, "1\n00:00:00,"), body[:80])
	require.Contains(t, body, "\n\n2\n00:00:0")
	require.Equal(t, times, strings.Count(body, "TRACK"))

	status, body = s.transcribe(t, audio, "response_format", "vtt")
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, strings.HasPrefix(body, "WEBVTT\n\n00:00:00."), body[:80])

	status, body = s.transcribe(t, audio, "response_format", "verbose_json", "timestamp_granularities[]", "segment")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"segments":[{"id":0,"start":`)
	require.NotContains(t, body, `"words"`)

	status, body = s.transcribe(t, audio, "stream", "true")
	require.Equal(t, http.StatusOK, status, body)
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	require.Greater(t, len(events), 5, "the words come window by window")
	require.Contains(t, events[0], `data: {"type":"transcript.text.delta","delta":"MUTE TRACK`)
	require.Equal(t, `data: {"type":"transcript.text.done","text":"`+want+`"}`, events[len(events)-2])
	require.Equal(t, "data: [DONE]", events[len(events)-1])
	var deltas strings.Builder
	for _, event := range events[:len(events)-2] {
		_, rest, ok := strings.Cut(event, `"delta":"`)
		require.True(t, ok, event)
		deltas.WriteString(strings.TrimSuffix(rest, `"}`))
	}
	require.Equal(t, want, deltas.String(), "the pieces are the whole")
}

// TestShortClipsGoBetweenTheWindowsOfLongOnes has one run slot and several long
// recordings: each yields the slot between windows, and nobody is refused.
func TestShortClipsGoBetweenTheWindowsOfLongOnes(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("services: {wav2vec2: {runs: 1}}\n"), 0o600))
	s := start(t, "--config", settings)
	long, _ := minute(t)
	short := clip(t, "clip09.wav")
	var requests sync.WaitGroup
	ended := make(chan string, 64)
	send := func(name string, audio []byte) {
		requests.Go(func() {
			status, body := s.transcribe(t, audio, "response_format", "text")
			if status != http.StatusOK {
				t.Errorf("%s: %d %s", name, status, body)
			}
			ended <- name
		})
	}
	for range 3 {
		send("long", long)
	}
	for range 12 {
		send("short", short)
	}
	requests.Wait()
	close(ended)
	var order []string
	for name := range ended {
		order = append(order, name)
	}
	require.Len(t, order, 15)
	require.Equal(t, "long", order[len(order)-1], "the short ones overtake: %v", order)
}

// TestTranscribeCommandWritesEveryFormat compares what the command writes with what
// the server answers.
func TestTranscribeCommandWritesEveryFormat(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program, append([]string{"transcribe", "--data-dir", dir}, args...)...)
		out, err := command.Output()
		return string(out), err
	}
	for format, ending := range map[string]string{"json": ".json", "text": ".txt", "srt": ".srt", "vtt": ".vtt", "verbose_json": ".json"} {
		folder := filepath.Join(dir, format)
		out, err := run("--format", format, "--output", folder, clips+"clip09.wav", clips+"clip01.wav", "services/audiofile/testdata/speech.mp3")
		require.NoError(t, err)
		require.Empty(t, out)
		written, err := os.ReadFile(filepath.Join(folder, "clip09"+ending))
		require.NoError(t, err)
		status, body := s.transcribe(t, clip(t, "clip09.wav"), "response_format", format)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, strings.TrimSpace(body), strings.TrimSpace(string(written)), format)
		_, err = os.Stat(filepath.Join(folder, "speech"+ending))
		require.NoError(t, err)
	}
	out, err := run("--decoding", "greedy", clips+"clip09.wav", clips+"clip01.wav")
	require.NoError(t, err)
	require.Equal(t, clips+"clip09.wav: MUTE TRACK ONE\n"+clips+"clip01.wav: ONE FIVE NINE TWO\n", out)
	_, err = run("--format", "srt", clips+"clip09.wav", clips+"clip01.wav")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Contains(t, string(exit.Stderr), "several files in the format srt need an output folder")
}
