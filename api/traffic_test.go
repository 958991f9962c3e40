package api

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// tally is a Traffic that remembers everything.
type tally struct {
	mu                                sync.Mutex
	received, sent, uploads, streams  int
	mostUploads                       int
	routes                            []string
	endedReceived, endedSent, endings int64
	statuses                          map[string]int
	causes                            map[string]string
}

func newTally() *tally {
	return &tally{statuses: make(map[string]int), causes: make(map[string]string)}
}

func (c *tally) add(to *int, change int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*to += change
	c.mostUploads = max(c.mostUploads, c.uploads)
}

func (c *tally) Received(bytes int)   { c.add(&c.received, bytes) }
func (c *tally) Sent(bytes int)       { c.add(&c.sent, bytes) }
func (c *tally) Uploading(change int) { c.add(&c.uploads, change) }
func (c *tally) Streaming(change int) { c.add(&c.streams, change) }

func (c *tally) Ended(route string, received, sent int64, status int, cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.routes = append(c.routes, route)
	c.endedReceived += received
	c.endedSent += sent
	c.endings++
	c.statuses[route], c.causes[route] = status, cause
}

// now returns the uploads and streams under way, and how many requests have ended.
func (c *tally) now() (uploads, streams int, endings int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uploads, c.streams, c.endings
}

func TestTrafficIsCountedByRoute(t *testing.T) {
	t.Parallel()
	counted := newTally()
	b := setupJobs(t, &scriptedJobs{list: func(jobs.Filter) (jobs.Page, error) { return jobs.Page{}, nil }},
		func(_ *Config, d *Dependencies) { d.Traffic, d.Executor = counted, says("hello") })
	var bytes int64
	get := func(method, path, body string, headers ...string) int {
		response, answer := b.call(t, method, path, body, headers...)
		bytes += int64(len(answer))
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, get("GET", "/v1/jobs", ""))
	upload, contentType := form("file", strings.Repeat("x", 100_000)), formType
	require.Equal(t, http.StatusOK, get("POST", "/v1/audio/transcriptions", upload, "Content-Type", contentType))
	require.Equal(t, http.StatusNotFound, get("GET", "/nowhere/at/all", ""))
	require.Equal(t, http.StatusBadRequest, get("GET", "/v1/jobs?limit=0", ""))
	require.Eventually(t, func() bool { _, _, n := counted.now(); return n == 4 }, 10*time.Second, time.Millisecond)
	counted.mu.Lock()
	defer counted.mu.Unlock()
	slices.Sort(counted.routes)
	require.Equal(t, []string{"GET /v1/jobs", "GET /v1/jobs", "POST /v1/audio/transcriptions", "unknown"}, counted.routes)
	require.EqualValues(t, len(upload), counted.received)
	require.EqualValues(t, len(upload), counted.endedReceived)
	require.EqualValues(t, bytes, counted.sent)
	require.EqualValues(t, bytes, counted.endedSent)
	require.Equal(t, map[string]int{"GET /v1/jobs": 400, "POST /v1/audio/transcriptions": 200, "unknown": 404}, counted.statuses)
	require.Equal(t, map[string]string{"GET /v1/jobs": "invalid", "POST /v1/audio/transcriptions": "", "unknown": "no_such_route"},
		counted.causes)
	require.Zero(t, counted.uploads)
	require.Equal(t, 1, counted.mostUploads)
	require.Zero(t, counted.streams)
}

func TestUploadsAndStreamsAreCountedWhileTheyLast(t *testing.T) {
	t.Parallel()
	counted := newTally()
	gate := make(chan struct{})
	b := setupJobs(t, &scriptedJobs{
		get: func(_, _ string) (jobs.Job, error) { return queued("job_1"), nil },
		follow: func(ctx context.Context, _ jobs.Revision, changed func(jobs.Job) error) error {
			if err := changed(queued("job_1")); err != nil {
				return err
			}
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return changed(in(queued("job_1"), jobs.StatusSucceeded))
		},
	}, func(_ *Config, d *Dependencies) { d.Traffic, d.Executor = counted, says("hello") })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/jobs/job_1/events", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, streams, _ := counted.now()
	require.Equal(t, 1, streams)
	close(gate)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, streams, _ := counted.now(); return streams == 0 }, 10*time.Second, time.Millisecond)

	upload, contentType := form("file", strings.Repeat("x", 100_000)), formType
	body, part := io.Pipe()
	request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	sent := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		sent <- err
	}()
	_, err = io.Copy(part, strings.NewReader(upload[:len(upload)/2]))
	require.NoError(t, err)
	require.Eventually(t, func() bool { uploads, _, _ := counted.now(); return uploads == 1 }, 10*time.Second, time.Millisecond)
	_, err = io.Copy(part, strings.NewReader(upload[len(upload)/2:]))
	require.NoError(t, err)
	require.NoError(t, part.Close())
	require.NoError(t, <-sent)
	require.Eventually(t, func() bool { uploads, _, n := counted.now(); return uploads == 0 && n == 2 }, 10*time.Second, time.Millisecond)
}

// TestAClientThatLeavesIsNoUploadAnyMore ends an upload in its middle.
func TestAClientThatLeavesIsNoUploadAnyMore(t *testing.T) {
	t.Parallel()
	counted := newTally()
	b := setupJobs(t, &scriptedJobs{}, func(_ *Config, d *Dependencies) { d.Traffic, d.Executor = counted, says("hello") })
	upload, contentType := form("file", strings.Repeat("x", 100_000)), formType
	ctx, leave := context.WithCancel(t.Context())
	body, part := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	_, err = io.Copy(part, strings.NewReader(upload[:len(upload)/2]))
	require.NoError(t, err)
	require.Eventually(t, func() bool { uploads, _, _ := counted.now(); return uploads == 1 }, 10*time.Second, time.Millisecond)
	leave()
	require.NoError(t, part.CloseWithError(context.Canceled))
	<-left
	require.Eventually(t, func() bool { uploads, _, n := counted.now(); return uploads == 0 && n == 1 }, 10*time.Second, time.Millisecond)
}
