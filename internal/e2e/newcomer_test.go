package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
)

// TestTheFirstMinutes does what a newcomer does, with the binary alone in an empty folder and
// a hub in reach: start it, send a recording, pull a model, and send the recording again. It
// prints the steps and their seconds.
func TestTheFirstMinutes(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	speechRepo(t, h)
	dir := t.TempDir()
	data, err := os.ReadFile(program)
	require.NoError(t, err)
	alone := filepath.Join(dir, "grym-synth")
	require.NoError(t, os.WriteFile(alone, data, 0o755)) //nolint:gosec // it is a program
	environment := []string{"HF_ENDPOINT=" + h.URL, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	began := time.Now()
	step := func(text string) {
		t.Logf("%5.2f s  %s", time.Since(began).Seconds(), text)
		began = time.Now()
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), alone, args...)
		cmd.Dir, cmd.Env = dir, environment
		return cmd
	}
	s, listening := launchCommand(t, command("--listen", "127.0.0.1:0"))
	s.await(t, listening)
	require.Eventually(t, func() bool { return s.ready(t) }, startTimeout, 5*time.Millisecond)
	step("./grym-synth")
	recording := ownRecording(t)
	began = time.Now()
	status, body := s.transcribe(t, recording)
	require.Equal(t, http.StatusOK, status, body)
	step("curl -F file=@own.wav .../v1/audio/transcriptions: " + body)
	out, err := command("pull", "someone/speech", "--as", "mine").CombinedOutput()
	require.NoError(t, err, string(out))
	step("./grym-synth pull someone/speech --as mine")
	status, body = s.transcribe(t, recording, "model", "mine", "response_format", "text")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "MUTE TRACK ONE\n", body)
	step("curl -F file=@own.wav -F model=mine .../v1/audio/transcriptions: " + body)
	require.NoError(t, s.stop(t), s.log)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := make([]string, len(left))
	for i, entry := range left {
		names[i] = entry.Name()
	}
	require.ElementsMatch(t, []string{"data", "grym-synth"}, names, "nothing else is written")
}

// ownRecording returns a recording as a phone makes it, at 44.1 kHz and in stereo.
func ownRecording(t *testing.T) []byte {
	t.Helper()
	sox, err := exec.LookPath("sox")
	if err != nil {
		return clip(t, "clip09.wav")
	}
	cmd := exec.CommandContext(t.Context(), sox, clips+"clip09.wav", "-r", "44100", "-c", "2", "-t", "wav", "-")
	made, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	data, err := io.ReadAll(made)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	return data
}
