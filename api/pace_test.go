package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

func dial(t *testing.T, b *bundle) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestABodyThatTricklesIsCutOff(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"), func(c *Config, _ *Dependencies) {
		c.HeaderTimeout, c.MinUploadRate = time.Second, 1000
	})
	for _, head := range []string{
		"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: " +
			"100000\r\n\r\n--x\r\n",
		"POST /v1/audio/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
	} {
		conn := dial(t, b)
		_, err := io.WriteString(conn, head)
		require.NoError(t, err)
		go func() { // ten bytes a second
			for {
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		_ = conn.Close()
		require.Equal(t, http.StatusBadRequest, response.StatusCode, string(body))
		require.Contains(t, string(body), "too slowly")
	}
}

func TestAReaderThatStallsIsCutOff(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	b := setup(t, says("unused"), func(c *Config, d *Dependencies) {
		c.WriteTimeout = 200 * time.Millisecond
		d.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					<-r.Context().Done()
					ended <- err
					return
				}
			}
		})
	})
	conn := dial(t, b)
	_, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
}

func TestAnAnswerThatTakesLongerThanAWriteArrives(t *testing.T) {
	t.Parallel()
	b := setup(t, executorFunc(func(context.Context, services.Task) (services.TaskResult, error) {
		time.Sleep(1500 * time.Millisecond)
		return services.TaskResult{}, services.Invalidf("file", "is odd")
	}), func(c *Config, _ *Dependencies) {
		c.WriteTimeout, c.HeaderTimeout = 500*time.Millisecond, time.Second
	})
	for range 2 {
		response, _ := b.upload(t, "file", "x")
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
	}
}

// wrongKeys knows one key.
type wrongKeys struct{}

func (wrongKeys) Check(text string) (access.Key, error) {
	if text == "good" {
		return access.Key{Scopes: []access.Scope{access.ScopeUse}}, nil
	}
	return access.Key{}, access.ErrUnknownKey
}

func TestBadKeysAreLimited(t *testing.T) {
	t.Parallel()
	b := setup(t, says("hello"), func(_ *Config, d *Dependencies) {
		d.Keys, d.Failures = wrongKeys{}, access.NewFailures(5)
	})
	ask := func(key string) (*answer, string) {
		request := b.request(t, http.MethodGet, "/version", nil)
		request.Header.Set("Authorization", "Bearer "+key)
		return b.do(t, request)
	}
	for i := range 5 {
		response, _ := ask(fmt.Sprint("bad", i))
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	}
	response, body := ask("bad")
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.Contains(t, body, "invalid API keys")
	response, _ = ask("good")
	require.Equal(t, http.StatusOK, response.StatusCode, "a key that was never seen at this address is looked at")
}
