package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const clips = "models/wav2vec2-tiny/clips/"

// server is a running process.
type server struct {
	url  string
	cmd  *exec.Cmd
	done chan error
	log  *lockedBuffer
}

// start runs the program and waits until it listens and has started.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s, listening := launch(t, append([]string{"--data-dir", t.TempDir()}, args...)...)
	select {
	case addr := <-listening:
		s.url = "http://" + addr
	case err := <-s.done:
		s.done <- err
		t.Fatalf("the server ended: %v\n%s", err, s.log)
	}
	return s
}

// launch runs the program and tells when it listens.
func launch(t testing.TB, args ...string) (*server, <-chan string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--listen", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	s := &server{cmd: cmd, done: make(chan error, 1), log: &lockedBuffer{}}
	require.NoError(t, cmd.Start())
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			s.log.add(lines.Text())
			var line struct{ Msg, Listen string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Listen
			}
		}
		s.done <- cmd.Wait()
	}()
	t.Cleanup(s.kill)
	return s, listening
}

// kill ends the process at once, as a loss of power would, and waits for it.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	s.done <- <-s.done
}

// stop sends SIGTERM and gives the process's end.
func (s *server) stop(t *testing.T) error {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	err := <-s.done
	s.done <- err
	return err
}

func (s *server) get(t *testing.T, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	return do(t, request)
}

func do(t testing.TB, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// form builds an upload; audio nil leaves the file out.
func form(t testing.TB, audio []byte, fields ...string) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	if audio != nil {
		part, err := w.CreateFormFile("file", "speech.wav")
		require.NoError(t, err)
		_, err = part.Write(audio)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &body, w.FormDataContentType()
}

func (s *server) transcribe(t testing.TB, audio []byte, fields ...string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	return do(t, request)
}

func clip(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(clips + name)
	require.NoError(t, err)
	return data
}

// wav makes 32-bit float WAV of a quiet tone.
func wav(rate, channels, frames int) []byte {
	size := frames * channels * 4
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 3)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*4))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*4))
	b = binary.LittleEndian.AppendUint16(b, 32)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for i := range frames {
		v := math.Float32bits(float32(0.1 * math.Sin(2*math.Pi*440*float64(i)/float64(rate))))
		for range channels {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	return b
}

// lockedBuffer collects a process's log.
type lockedBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (b *lockedBuffer) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines, "\n")
}
