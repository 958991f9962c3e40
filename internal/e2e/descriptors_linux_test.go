package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startLimited runs the binary with at most the given number of file descriptors.
func startLimited(t *testing.T, descriptors int, args ...string) *server {
	t.Helper()
	command := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors)
	args = append([]string{"-c", command, program, "--listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, args...)
	s, listening := launchCommand(t, exec.CommandContext(t.Context(), "sh", args...))
	s.await(t, listening)
	require.Eventually(t, func() bool { return s.ready(t) }, startTimeout, 5*time.Millisecond, "the server is not ready\n%s", s.log)
	return s
}

// dial opens a connection that the test closes.
func (s *server) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// probe asks on a connection of its own, and returns the status, 0 without an answer in time.
func (s *server) probe(t *testing.T, path string) int {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// playFewDescriptors runs the server with 64 file descriptors under more connections than
// that: idle ones that have had an answer, ones that send nothing, and uploads that do not
// end.
func playFewDescriptors(t *testing.T) {
	t.Helper()
	s := startLimited(t, 64)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	require.NoError(t, err)
	t.Logf("%d descriptors after the start", len(open))
	for range 100 { // idle
		conn := s.dial(t)
		_, err := fmt.Fprint(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, s.probe(t, "/livez"), "beside idle connections\n%s", s.log)
	require.Equal(t, http.StatusOK, s.probe(t, "/readyz"))
	for range 100 { // silent
		s.dial(t)
	}
	for range 40 { // at work
		conn := s.dial(t)
		_, err := fmt.Fprint(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"+
			"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nabc")
		require.NoError(t, err)
	}
	for _, path := range []string{"/livez", "/readyz", "/readyz/wav2vec2", "/healthz"} {
		require.Eventually(t, func() bool { return s.probe(t, path) == http.StatusOK }, 15*time.Second, time.Millisecond, path)
	}
	require.NotContains(t, s.log.String(), "too many open files")

	// What the silent and slow ones held is free within the time for a header.
	audio := clip(t, "clip09.wav")
	require.Eventually(t, func() bool {
		status, _ := s.transcribe(t, audio)
		return status == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "no work is done any more\n%s", s.log)
	var job string
	require.Eventually(t, func() bool {
		status, body := s.postJob(t, `{"service":"wav2vec2"}`, audio)
		if status == http.StatusAccepted {
			job = jobIn(t, body).ID
		}
		return job != ""
	}, time.Minute, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		_, body := s.get(t, "/v1/jobs/"+job)
		return strings.Contains(body, `"status":"succeeded"`)
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, s.stop(t))
}
