package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hooks is a receiver of webhooks.
type hooks struct {
	url string
	mu  sync.Mutex
	// got has a channel for each path.
	got map[string]chan rawAnswer
}

func newHooks(t testing.TB) *hooks {
	h := &hooks{got: make(map[string]chan rawAnswer)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			h.path(r.URL.Path) <- rawAnswer{http.StatusOK, r.Header, body}
		}
	}))
	t.Cleanup(receiver.Close)
	h.url = receiver.URL
	return h
}

func (h *hooks) path(path string) chan rawAnswer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.got[path] == nil {
		h.got[path] = make(chan rawAnswer, 16)
	}
	return h.got[path]
}

// next waits for a message to a path.
func (h *hooks) next(t testing.TB, path string) rawAnswer {
	t.Helper()
	select {
	case got := <-h.path(path):
		return got
	case <-time.After(pollTimeout):
		t.Fatalf("no webhook came to %s", path)
		return rawAnswer{}
	}
}

// eventsUntil reads a stream of events up to the first of a name.
func eventsUntil(t testing.TB, stream io.Reader, name string) []byte {
	t.Helper()
	var read bytes.Buffer
	last := ""
	scanner := bufio.NewScanner(stream)
	for scanner.Scan() {
		read.WriteString(scanner.Text() + "\n")
		if event, ok := strings.CutPrefix(scanner.Text(), "event: "); ok {
			last = event
		}
		if scanner.Text() == "" && last == name {
			return read.Bytes()
		}
	}
	require.NoError(t, scanner.Err())
	t.Fatalf("the stream ended without an event %s:\n%s", name, read.String())
	return nil
}
