package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/stretchr/testify/require"
)

// playDamagedStore flips bits of one job's record in the files
// of a stopped server.
func playDamagedStore(t *testing.T) {
	t.Helper()
	for name, at := range map[string]float64{"at the start": 0.05, "in the middle": 0.5, "at the end": 0.93} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append(configured(t, idle), "--data-dir", dir)
			s := start(t, args...)
			app := s.app(t)
			const jobs = 20
			for i := range jobs {
				s.accepted(t, app, transcription(clip(t, fmt.Sprintf("clip%02d.wav", 1+i%4)), fmt.Sprintf(`,"labels":{"n":"%d"}`, i)))
			}
			require.NoError(t, s.stop(t), s.log)
			blocks, err := filepath.Glob(filepath.Join(dir, "jobs", "jetstream", "*", "streams", "KV_*", "msgs", "*.blk"))
			require.NoError(t, err)
			require.NotEmpty(t, blocks)
			data, err := os.ReadFile(blocks[0])
			require.NoError(t, err)
			place := int(at * float64(len(data)))
			job := bytes.Index(data[place:], []byte(`"kind":"job"`))
			require.Positive(t, job)
			for i := range 8 {
				data[place+job+i] ^= 0xff
			}
			require.NoError(t, os.WriteFile(blocks[0], data, 0o600))

			s = start(t, args...)
			app = s.app(t)
			all, err := app.list(t.Context(), "")
			require.NoError(t, err)
			require.Len(t, all, jobs)
			require.Eventually(t, func() bool {
				_, health := s.get(t, "/healthz")
				return strings.Contains(health, "the store lost data (")
			}, time.Minute, 20*time.Millisecond)
			require.Contains(t, s.log.String(), `"msg":"the job store lost records","missing":1`)
			lost := 0
			for _, j := range all {
				if j.Status == "failed" {
					lost++
					continue
				}
				answers(t, app, http.MethodGet, "/v1/jobs/"+j.ID, http.StatusOK, `"status":"queued"`)
			}
			require.Equal(t, 1, lost, "the lost record is reported as a failed job")
			j := s.accepted(t, app, transcription(clip(t, "clip09.wav"), ""))
			answers(t, app, http.MethodGet, "/v1/jobs/"+j.ID, http.StatusOK, `"status":"queued"`)
		})
	}
}

// node starts a NATS server alone at a port, with its files in a folder.
func node(t *testing.T, binary, dir string, port int) *natsNode {
	t.Helper()
	n := &natsNode{name: "alone", url: "nats://127.0.0.1:" + strconv.Itoa(port), log: &lines{}}
	n.cmd = exec.CommandContext(t.Context(), binary, "-a", "127.0.0.1", "-p", strconv.Itoa(port), "-js", "-sd", dir)
	n.cmd.Stderr = n
	require.NoError(t, n.cmd.Start())
	t.Cleanup(n.kill)
	return n
}

// TestWithoutTheStore stops the external store at the start and during work.
func TestWithoutTheStore(t *testing.T) {
	t.Parallel()
	binary, dir, port := natsServer(t), t.TempDir(), recordstest.FreePorts(t, 1)[0]
	s := start(t, configured(t, `jobs: {url: "nats://127.0.0.1:`+strconv.Itoa(port)+`"}`)...)
	app := s.app(t)
	w := transcription(clip(t, "clip09.wav"), "")
	without := func() {
		t.Helper()
		began := time.Now()
		got := s.hand(t, app, w)
		require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
		require.NotEmpty(t, got.header.Get("Retry-After"))
		t.Logf("without the store, after %s: %s", time.Since(began).Round(time.Millisecond), got.body)
		status, text := s.transcribe(t, w.audio)
		require.Equal(t, http.StatusOK, status, text)
	}
	without()
	_, health := s.get(t, "/healthz")
	require.Contains(t, health, "jobs: connect to NATS")
	n := node(t, binary, dir, port)
	j, err := app.submit(t.Context(), w)
	require.NoError(t, err)
	j, err = app.wait(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", j.Status)

	n.kill()
	without()
	node(t, binary, dir, port)
	answered, err := app.get(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, j.Finished, answered.Finished)
	j, err = app.submit(t.Context(), w)
	require.NoError(t, err)
	j, err = app.wait(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", j.Status)
}
