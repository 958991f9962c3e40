package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/web"
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

// pacedServer serves a handler in a synctest bubble, and returns a connection to it.
func pacedServer(t *testing.T, executor web.Executor, change func(*Config, *Dependencies)) net.Conn {
	t.Helper()
	checked, err := contract()
	require.NoError(t, err)
	cfg := DefaultConfig()
	deps := Dependencies{
		Executor: executor, Views: draining{}, SpoolDir: t.TempDir(), Contract: checked.text, Log: slog.New(slog.DiscardHandler),
	}
	change(&cfg, &deps)
	handler, err := NewHandler(cfg, deps)
	require.NoError(t, err)
	return serveInMemory(t, handler, cfg)
}

func TestABodyThatTricklesIsCutOff(t *testing.T) {
	t.Parallel()
	for _, head := range []string{
		"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: " +
			"100000\r\n\r\n--x\r\n",
		"POST /v1/audio/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := pacedServer(t, says("unused"), func(c *Config, _ *Dependencies) {
				c.HeaderTimeout, c.MinUploadRate = time.Second, 1000
			})
			began := time.Now()
			_, err := io.WriteString(conn, head)
			require.NoError(t, err)
			var writes sync.WaitGroup
			defer writes.Wait()
			defer conn.Close()
			writes.Go(func() { // ten bytes a second
				for err := error(nil); err == nil; time.Sleep(100 * time.Millisecond) {
					_, err = io.WriteString(conn, " ")
				}
			})
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			body, _ := io.ReadAll(response.Body)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusBadRequest, response.StatusCode, string(body))
			require.Contains(t, string(body), "too slowly")
			require.InDelta(t, 1.05, time.Since(began).Seconds(), 0.05)
		})
	}
}

func TestAReaderThatStallsIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		conn := pacedServer(t, says("unused"), func(c *Config, d *Dependencies) {
			d.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for {
					if _, err := w.Write(make([]byte, 1<<16)); err != nil {
						<-r.Context().Done()
						ended <- err
						return
					}
				}
			})
			c.WriteTimeout = time.Minute
		})
		began := time.Now()
		_, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// TestAnAnswerThatTakesLongerThanAWriteArrives has two requests on one connection.
func TestAnAnswerThatTakesLongerThanAWriteArrives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn := pacedServer(t, executorFunc(func(context.Context, services.Task) (services.TaskResult, error) {
			time.Sleep(time.Hour)
			return services.TaskResult{}, services.Invalidf("file", "is odd")
		}), func(*Config, *Dependencies) {})
		body := form("file", "x")
		const head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
		answers := bufio.NewReader(conn)
		for range 2 {
			_, err := fmt.Fprintf(conn, head, formType, len(body), body)
			require.NoError(t, err)
			response, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusBadRequest, response.StatusCode, string(text))
			require.Contains(t, string(text), "is odd")
		}
	})
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
