package e2e

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run HourOfSpeech -hour
var wholeHour = flag.Bool("hour", false, "compare an hour of speech with ten minutes, and not six minutes with one")

// resident is the process's memory in bytes: VmRSS now, VmHWM at its peak.
func (s *server) resident(t testing.TB, figure string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Skipf("resident memory is read from /proc: %v", err)
	}
	found := regexp.MustCompile(figure + `:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found, figure)
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return n << 10
}

// forgetPeak begins the peak anew at what is resident now.
func (s *server) forgetPeak(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Skipf("the peak of resident memory cannot be reset: %v", err)
	}
}

// speechFrom is a WAV of spoken clips, made while it is read: 16 kHz, 16 bit, mono.
func speechFrom(t *testing.T, at int, size int64) io.Reader {
	t.Helper()
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(36+size))
	head = append(head, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data"...)
	head = binary.LittleEndian.AppendUint32(head, uint32(size))
	sound := clip(t, "clip09.wav")[44+2*at:]
	return io.MultiReader(bytes.NewReader(head), io.LimitReader(&endless{sound: sound}, size))
}

// endless is the same bytes for ever.
type endless struct {
	sound []byte
	at    int
}

// Read implements io.Reader.
func (r *endless) Read(p []byte) (int, error) {
	n := copy(p, r.sound[r.at:])
	r.at = (r.at + n) % len(r.sound)
	return n, nil
}

// stream posts a recording that is never whole in memory, as a form or alone.
func (s *server) stream(t *testing.T, path string, recording io.Reader, asForm bool, fields ...string) (int, string, error) {
	body, contentType := recording, "audio/wav"
	if asForm {
		var head bytes.Buffer
		w := multipart.NewWriter(&head)
		for i := 0; i+1 < len(fields); i += 2 {
			_ = w.WriteField(fields[i], fields[i+1]) // to memory
		}
		_, _ = w.CreateFormFile("file", "speech.wav")
		contentType = w.FormDataContentType()
		body = io.MultiReader(&head, recording, strings.NewReader("\r\n--"+w.Boundary()+"--\r\n"))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, body)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// TestFourUploadsTakeLittleMemory is not parallel: it measures.
func TestFourUploadsTakeLittleMemory(t *testing.T) {
	const size, allowed = 240_000_000, 64_000_000
	s := start(t)
	for _, c := range []struct {
		name, path string
		asForm     bool
		fields     []string
		status     int
	}{
		{"forms to be transcribed", "/v1/audio/transcriptions", true, []string{"decoding", "no such"}, http.StatusBadRequest},
		{"recordings alone", "/v1/audio", false, nil, http.StatusCreated},
		{"recordings in forms", "/v1/audio", true, nil, http.StatusOK}, // the same ones
	} {
		rest := s.resident(t, "VmRSS")
		s.forgetPeak(t)
		var uploads sync.WaitGroup
		for i := range 4 {
			recording := speechFrom(t, i, size)
			uploads.Go(func() {
				status, body, err := s.stream(t, c.path, recording, c.asForm, c.fields...)
				if err != nil || status != c.status {
					t.Errorf("%s: %d %s %v", c.name, status, body, err)
				}
			})
		}
		uploads.Wait()
		peak := s.resident(t, "VmHWM")
		t.Logf("four %s: %d MB at rest, %d MB at the peak", c.name, rest/1e6, peak/1e6)
		require.LessOrEqual(t, peak-rest, int64(allowed), c.name)
	}
}

// TestAnHourOfSpeechTakesNoMoreMemory compares a recording with one six times as long.
func TestAnHourOfSpeechTakesNoMoreMemory(t *testing.T) {
	minutes := int64(1)
	if *wholeHour {
		minutes = 10
	}
	s := start(t)
	peak := func(minutes int64) int64 {
		s.forgetPeak(t)
		status, body, err := s.stream(t, "/v1/audio/transcriptions", speechFrom(t, 0, minutes*60*32000), true, "decoding", "greedy")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, body)
		return s.resident(t, "VmHWM")
	}
	peak(minutes) // loads the model
	short := peak(minutes)
	// What the collector has left in one moment differs by some MB: a recording that is
	// held shows each time.
	for attempt := 1; ; attempt++ {
		long := peak(6 * minutes)
		t.Logf("%d minutes: %d MB at the peak; %d minutes: %d MB", minutes, short/1e6, 6*minutes, long/1e6)
		if long-short <= 16_000_000 {
			return
		}
		require.Less(t, attempt, 3, "%d MB more", (long-short)/1e6)
	}
}

// impatient sends whole bodies with Python's clients, which read nothing before.
const impatient = `
import http.client, sys, urllib.error, urllib.request
host, size = sys.argv[1], 32 << 20
cases = [
    ("/v1/audio/transcriptions", "multipart/form-data; boundary=b", 413),
    ("/v1/audio", "audio/wav", 413),
    ("/v1/audio/generations", "application/json", 413),
    ("/v1/audio/transcriptions", "text/plain", 413),
    ("/v2/nothing", "audio/wav", 413),
]
class Pieces:
    def __iter__(self):
        return (bytes(1 << 20) for _ in range(size >> 20))
for path, kind, status in cases:
    for _ in range(3):
        c = http.client.HTTPConnection(host, timeout=60)
        c.request("POST", path, bytes(size), {"Content-Type": kind})
        r = c.getresponse()
        text = r.read()
        assert r.status == status and b"the limit for" in text, (path, kind, r.status, text)
    c = http.client.HTTPConnection(host, timeout=60)
    c.request("POST", path, Pieces(), {"Content-Type": kind}, encode_chunked=True)
    r = c.getresponse()
    text = r.read()
    assert r.status in (400, 404, 413, 415), (path, kind, r.status, text)
    try:
        urllib.request.urlopen(urllib.request.Request("http://" + host + path, bytes(size), {"Content-Type": kind}), timeout=60)
        raise AssertionError("taken")
    except urllib.error.HTTPError as e:
        assert e.code == status, (path, kind, e.code, e.read())
print("answered")
`

func TestPythonsClientsSeeRefusals(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("api:\n  maxUpload: 8MiB\n"), 0o600))
	s := start(t, "--config", config)
	began := time.Now()
	out, err := exec.CommandContext(t.Context(), python, "-c", impatient, strings.TrimPrefix(s.url, "http://")).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "answered")
	t.Logf("25 refusals took %s", time.Since(began))
}
