package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// pipes is a listener whose connections are in memory, so that a server runs on the
// clock of a test.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accepted:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// pacedUpload is an upload on the clock of a test: pieces of so many bytes, one every
// so often, a pause before the last, and the executor's time after it.
type pacedUpload struct {
	pieces, bytes       int
	every, pause, works time.Duration
}

// send sends the upload to a server of its own, and returns the answer and when it came.
// It runs in a bubble of synctest.
func (u pacedUpload) send(t *testing.T, change func(*Config)) (status int, body string, after time.Duration) {
	t.Helper()
	checked, err := contract()
	require.NoError(t, err)
	cfg := DefaultConfig()
	change(&cfg)
	handler, err := NewHandler(cfg, Dependencies{
		Executor: executorFunc(func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
			select {
			case <-ctx.Done():
				return services.TaskResult{}, ctx.Err()
			case <-time.After(u.works):
				return services.TaskResult{Value: &tasks.Transcription{Text: "HELLO"}}, nil
			}
		}),
		Views:    draining{},
		SpoolDir: t.TempDir(), Contract: checked.text, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	client := serveInMemory(t, handler, cfg)
	var writes sync.WaitGroup
	defer writes.Wait()
	defer client.Close()

	started := time.Now()
	writes.Go(func() { u.write(client) })
	response, err := http.ReadResponse(bufio.NewReader(client), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	after = time.Since(started)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), after
}

// serveInMemory serves a handler until the test ends, and returns a connection to it.
func serveInMemory(t *testing.T, handler http.Handler, cfg Config) net.Conn {
	t.Helper()
	listener := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: cfg.HeaderTimeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client, accepted := net.Pipe()
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	listener.accepted <- accepted
	return client
}

// write sends the request, until the other end is closed.
func (u pacedUpload) write(conn io.Writer) {
	begin := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\n\r\n"
	end := "\r\n--b--\r\n"
	const head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
	_, err := fmt.Fprintf(conn, head, formType, len(begin)+u.pieces*u.bytes+len(end))
	for i := 0; i < u.pieces && err == nil; i++ {
		time.Sleep(u.every)
		if i == u.pieces-1 {
			time.Sleep(u.pause)
		}
		_, err = io.WriteString(conn, begin+strings.Repeat("x", u.bytes))
		begin = ""
	}
	if err == nil {
		_, _ = io.WriteString(conn, end)
	}
}

func TestUploadsAtALegalPaceArrive(t *testing.T) {
	t.Parallel()
	cfg := func(c *Config) {
		c.HeaderTimeout, c.MinUploadRate, c.UploadTimeout = 10*time.Second, 1000, 3*time.Minute
	}
	const sec = time.Second
	for name, c := range map[string]struct {
		upload pacedUpload
		status int
		from   time.Duration // the answer comes
		to     time.Duration
	}{
		"within the time for a header":        {pacedUpload{pieces: 8, bytes: 1, every: sec}, http.StatusOK, 8 * sec, 8 * sec},
		"fast, longer than that":              {pacedUpload{pieces: 60, bytes: 4000, every: sec}, http.StatusOK, 60 * sec, 60 * sec},
		"at the least rate":                   {pacedUpload{pieces: 170, bytes: 1000, every: sec}, http.StatusOK, 170 * sec, 170 * sec},
		"below it, within the time beside it": {pacedUpload{pieces: 90, bytes: 900, every: sec}, http.StatusOK, 90 * sec, 90 * sec},
		"below it for longer":                 {pacedUpload{pieces: 120, bytes: 900, every: sec}, http.StatusBadRequest, 91 * sec, 92 * sec},
		"not a byte":                          {pacedUpload{pieces: 1, bytes: 1, every: 60 * sec}, http.StatusBadRequest, 10 * sec, 10 * sec},
		"fast, and then not at all":           {pacedUpload{pieces: 2, bytes: 20_000, every: sec, pause: 60 * sec}, http.StatusBadRequest, 30 * sec, 31 * sec},
		"a pause that its speed has earned":   {pacedUpload{pieces: 5, bytes: 30_000, every: 9 * sec}, http.StatusOK, 45 * sec, 45 * sec},
		"just within the time of an upload":   {pacedUpload{pieces: 179, bytes: 4000, every: sec}, http.StatusOK, 179 * sec, 179 * sec},
		"fast, beyond the time of an upload":  {pacedUpload{pieces: 240, bytes: 4000, every: sec}, http.StatusBadRequest, 180 * sec, 181 * sec},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				status, body, after := c.upload.send(t, cfg)
				require.Equal(t, c.status, status, body)
				if status != http.StatusOK {
					require.Contains(t, body, "too slowly")
				}
				require.GreaterOrEqual(t, after, c.from)
				require.LessOrEqual(t, after, c.to)
			})
		})
	}
}

// TestTheTimeOfAnUploadEndsWithTheUpload has tasks that take longer than any upload may.
func TestTheTimeOfAnUploadEndsWithTheUpload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, body, after := pacedUpload{pieces: 3, bytes: 100, every: time.Second, works: time.Hour}.send(t, func(*Config) {})
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, "HELLO")
		require.Equal(t, time.Hour+3*time.Second, after)
	})
}
