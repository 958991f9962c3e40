package api

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// sendWhole sends a request and its whole body before it reads a byte of the answer.
func sendWhole(t *testing.T, b *bundle, head, start string, size int, chunked bool) (status int, body string) {
	t.Helper()
	conn := dial(t, b)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	length := fmt.Sprintf("Content-Length: %d\r\n", size)
	if chunked {
		length = "Transfer-Encoding: chunked\r\n"
	}
	_, err := io.WriteString(conn, head+length+"\r\n")
	require.NoError(t, err)
	piece := make([]byte, 1<<20)
	copy(piece, start)
	for range size / len(piece) {
		if chunked {
			_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(piece), piece)
		} else {
			_, err = conn.Write(piece)
		}
		require.NoError(t, err, "the whole body must be taken: %s", head)
		clear(piece)
	}
	if chunked {
		_, err = io.WriteString(conn, "0\r\n\r\n")
		require.NoError(t, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer response.Body.Close()
	require.True(t, response.Close, "the connection ends with the answer: %s", head)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// TestARefusalReachesAClientThatSendsFirst has bodies larger than what the buffers of a
// connection take.
func TestARefusalReachesAClientThatSendsFirst(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{}, func(c *Config, d *Dependencies) {
		c.MaxUpload = 8 * services.MiB
		d.Keys, d.Failures = wrongKeys{}, access.NewFailures(1)
	})
	const size = 32 << 20
	form, good := "Content-Type: multipart/form-data; boundary=b\r\n", "Authorization: Bearer good\r\n"
	inForm := "the body has more than 8388608 bytes (8.0 MiB), which is the limit for a form; the setting api.maxUpload changes it"
	for _, c := range []struct {
		name, line, headers string
		chunked             bool
		status              int
		says                string
	}{
		{"a form too large", "POST /v1/audio/transcriptions", form + good, false, 413, inForm},
		{"a recording too large", "POST /v1/audio", "Content-Type: audio/wav\r\n" + good, false, 413, "limit for a recording; the setting api.maxUpload"},
		{"JSON too large", "POST /v1/audio/generations", "Content-Type: application/json\r\n" + good, false, 413, "1048576 bytes (1.0 MiB), which is the limit for JSON"},
		{"JSON with a recording too large", "POST /v1/jobs", "Content-Type: application/json\r\n" + good, true, 413, "JSON with a recording as base64; the setting api.maxUpload"},
		{"JSON in pieces too large", "POST /v1/audio/generations", "Content-Type: application/json\r\n" + good, true, 413, "is the limit for JSON"},
		{"a recording in pieces too large", "POST /v1/audio", "Content-Type: audio/wav\r\n" + good, true, 413, "limit for a recording; the setting api.maxUpload"},
		{"a type that nothing takes", "POST /v1/audio/transcriptions", "Content-Type: text/plain\r\n" + good, true, 415, "multipart/form-data with a boundary"},
		{"no form at all", "POST /v1/audio/transcriptions", form + good, true, 400, "the form breaks off or is malformed"},
		{"no key", "POST /v1/audio/transcriptions", form, false, 401, "an API key is needed"},
		{"a bad key", "POST /v1/audio/transcriptions", form + "Authorization: Bearer bad\r\n", false, 401, "key"},
		{"too many bad keys", "POST /v1/audio/transcriptions", form + "Authorization: Bearer worse\r\n", false, 429, "bad API keys"},
		{"no such route", "POST /v2/nothing", form + good, true, 404, "no route"},
		{"a method that the route lacks", "PUT /v1/audio/transcriptions", form + good, true, 405, "does not take PUT"},
		{"a bad header", "POST /v1/audio/transcriptions", form + good + "Grym-Priority: urgent\r\n", true, 400, "Grym-Priority"},
		{"a body where none is read", "GET /version", good, true, 200, "version"},
	} {
		start := ""
		if c.name == "JSON too large" {
			start = "{"
		}
		status, body := sendWhole(t, b, c.line+" HTTP/1.1\r\nHost: localhost\r\n"+c.headers, start, size, c.chunked)
		require.Equal(t, c.status, status, "%s: %s", c.name, body)
		require.Contains(t, body, c.says, c.name)
	}
}

// TestAnEarlyRefusalIsWholeBeforeTheBody has a client that reads the answer to its end
// before it goes on to send: an answer that waits for the body finds it gone.
func TestAnEarlyRefusalIsWholeBeforeTheBody(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"), func(c *Config, _ *Dependencies) { c.MaxUpload = services.MiB })
	const size = 32 << 20
	for _, c := range []struct {
		name, headers, begun string
		status               int
	}{
		{"too large", fmt.Sprintf("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", len("--b")+size), "--b", 413},
		{"in pieces", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n", size), 415},
	} {
		conn := dial(t, b)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err := io.WriteString(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"+c.headers+c.begun)
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, c.status, response.StatusCode, "%s: %s", c.name, text)
		_, err = conn.Write(make([]byte, size))
		require.NoError(t, err, "the rest of the body must still be taken: %s", c.name)
	}
}

// TestAClientThatAsksFirst sends no body before it is asked for it.
func TestAClientThatAsksFirst(t *testing.T) {
	t.Parallel()
	b := setup(t, says("HELLO"), func(c *Config, _ *Dependencies) { c.MaxUpload = services.MiB })
	ask := func(size int) (*bufio.Reader, io.Writer) {
		conn := dial(t, b)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err := fmt.Fprintf(conn, "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
			"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", size)
		require.NoError(t, err)
		return bufio.NewReader(conn), conn
	}
	answers, _ := ask(2 << 20)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 413 Request Entity Too Large\r\n", line, "refused without asking for the body")

	body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nabc\r\n--b--\r\n"
	answers, conn := ask(len(body))
	line, err = answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = answers.ReadString('\n')
	require.NoError(t, err)
	_, err = io.WriteString(conn, body)
	require.NoError(t, err)
	line, err = answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK\r\n", line)
}

// TestARefusedClientThatEndsTheConnectionMaySendOn checks that the rest of a small body is
// read where the connection ends with the answer: net/http does not read it then, and an
// unread byte makes the system reset the connection.
func TestARefusedClientThatEndsTheConnectionMaySendOn(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	const size = 80 << 10
	for name, head := range map[string]string{
		"Connection: close": "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
		"HTTP/1.0":          "HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer good\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := DefaultConfig()
				cfg.MaxUpload = 32 * services.KiB
				handler, err := NewHandler(cfg, Dependencies{
					Views: draining{}, Presented: wrongKeys{}, SpoolDir: t.TempDir(), Contract: checked.text, Log: slog.New(slog.DiscardHandler),
				})
				require.NoError(t, err)
				conn := serveInMemory(t, handler, cfg)
				_, err = fmt.Fprintf(conn, "POST /v1/audio/transcriptions %sContent-Type: %s\r\nContent-Length: %d\r\n\r\n", head, formType, size)
				require.NoError(t, err)
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				text, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode, "%s", text)
				_, err = conn.Write(make([]byte, size))
				require.NoError(t, err, "the rest of the body must still be taken")
			})
		})
	}
}
