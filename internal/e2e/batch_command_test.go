package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// batchCommand runs the command batch and returns its output and exit code.
func batchCommand(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	got := command(t, nil, nil, append([]string{program, "batch"}, args...)...)
	return got.stdout, got.stderr, got.code
}

// TestTheBatchCommand transcribes a folder twice; the second time nothing is done.
func TestTheBatchCommand(t *testing.T) {
	t.Parallel()
	s := start(t)
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Mkdir(filepath.Join(in, "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(in, "one.wav"), clip(t, "clip01.wav"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(in, "b", "one.wav"), clip(t, "clip02.wav"), 0o600))
	args := []string{"--server", s.url, "transcribe", "--param", "response_format=srt", "--output", out, "--progress", in}
	_, errs, code := batchCommand(t, args...)
	require.Zero(t, code, errs)
	require.Contains(t, errs, "2/2 done")
	for _, name := range []string{"one.srt", "b/one.srt"} {
		text, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.Regexp(t, `^1\n00:00:`, string(text))
	}
	ends := strings.Count(s.log.String(), "job attempt ended")
	_, errs, code = batchCommand(t, args...)
	require.Zero(t, code, errs)
	require.Contains(t, errs, "2 files exist")
	require.Equal(t, ends, strings.Count(s.log.String(), "job attempt ended"), "nothing is done again")
	lines, _, code := batchCommand(t, "--server", s.url, "transcribe", "--param", "response_format=srt", in)
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(lines, `"status":"succeeded"`), lines)
	_, _, code = batchCommand(t, "--again", "--server", s.url, "transcribe", "--param", "response_format=srt", in)
	require.Zero(t, code)
	require.Equal(t, 2*ends, strings.Count(s.log.String(), "job attempt ended"))

	require.NoError(t, os.WriteFile(filepath.Join(in, "bad.wav"), []byte("no sound"), 0o600))
	lines, errs, code = batchCommand(t, "--server", s.url, "transcribe", in)
	require.Equal(t, 1, code)
	require.Equal(t, 2, strings.Count(lines, `"status":"succeeded"`), lines)
	require.Contains(t, errs, "bad.wav: ")
	require.Contains(t, errs, "1 of 3 items failed, 2 succeeded; the same command tries them again")

	_, errs, code = batchCommand(t, "--server", s.url, "dance", in)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "items[0].task line 2: must be convert")
}

// TestTheBatchCommandGoesOn interrupts the command and restarts the server.
func TestTheBatchCommandGoesOn(t *testing.T) {
	t.Parallel()
	data, items := t.TempDir(), filepath.Join(t.TempDir(), "items.jsonl")
	waiting := startWith(t, options{dataDir: data, settings: "jobs: {services: [wav2vec2]}"}) // conversions wait
	in := filepath.Join(t.TempDir(), "tone.wav")
	require.NoError(t, os.WriteFile(in, wav(8000, 1, 800), 0o600))
	id := waiting.storeSound(t, wav(8000, 1, 801))
	require.NoError(t, os.WriteFile(items, []byte(`{"name":"extra","audio_id":"`+id+`"}`), 0o600))
	args := []string{"--param", "container=flac", "--items", items, "--progress", "convert", in, "--server"}
	var errs lines
	cmd := exec.CommandContext(t.Context(), program, append([]string{"batch"}, append(args, waiting.url)...)...)
	cmd.Stderr = writerFunc(func(p []byte) (int, error) { errs.add(string(p)); return len(p), nil })
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return strings.Contains(errs.String(), "0/2 done") }, time.Minute, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Contains(t, errs.String(), "goes on; the same command follows it")
	waiting.kill()

	s := startWith(t, options{dataDir: data})
	lines, failed, code := batchCommand(t, append(args, s.url)...)
	require.Zero(t, code, failed)
	require.Equal(t, 2, strings.Count(lines, `"status":"succeeded"`), lines)
	require.Equal(t, 2, strings.Count(s.log.String(), "job attempt ended"))
}

// writerFunc is a writer made of a function.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestTheRunCommand runs a pipeline on a folder.
func TestTheRunCommand(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.call(t, http.MethodPost, "/v1/pipelines", strings.NewReader(`{"name":"hear","audio":"required","steps":[
		{"id":"clean","task":"edit","audio":"${input.audio}","params":{"operations":[{"op":"high_pass","frequency":80}]}},
		{"id":"words","task":"transcribe","audio":"${steps.clean.audio}"}],
		"output":{"text":"${steps.words.result.text}"}}`), "application/json", http.StatusCreated, nil)
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for _, name := range []string{"clip01", "clip02"} {
		require.NoError(t, os.WriteFile(filepath.Join(in, name+".wav"), clip(t, name+".wav"), 0o600))
	}
	got := command(t, nil, nil, program, "run", "--server", s.url, "hear", "--output", out, in)
	require.Zero(t, got.code, got.stderr)
	text, err := os.ReadFile(filepath.Join(out, "clip02.json"))
	require.NoError(t, err)
	require.Contains(t, string(text), "SET TEMPO THREE ONE")
	got = command(t, nil, nil, program, "run", "--server", s.url, "nothing", in)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "nothing")
	got = command(t, nil, nil, program, "run", "--server", s.url, "hear")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "items[0]")
}
