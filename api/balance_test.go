package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// balance is what every test of the handler must leave as it was: nothing under way, and each
// request counted once. It passes on to the test's own counters.
type balance struct {
	Traffic
	web.Executor

	uploads, streams, running, requests, ended atomic.Int64
	received, sent, counted                    atomic.Int64
}

// balanced puts a balance between the handler and what it depends on.
func balanced(deps *Dependencies) *balance {
	b := &balance{Traffic: deps.Traffic, Executor: deps.Executor}
	if b.Traffic == nil {
		b.Traffic = noTraffic{}
	}
	deps.Traffic, deps.Executor = b, b
	return b
}

// count counts the requests that come in.
func (b *balance) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		next.ServeHTTP(w, r)
	})
}

// Execute implements web.Executor.
func (b *balance) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	b.running.Add(1)
	defer b.running.Add(-1)
	return b.Executor.Execute(ctx, task, sink)
}

// Received implements Traffic.
func (b *balance) Received(bytes int) {
	b.received.Add(int64(bytes))
	b.Traffic.Received(bytes)
}

// Sent implements Traffic.
func (b *balance) Sent(bytes int) {
	b.sent.Add(int64(bytes))
	b.Traffic.Sent(bytes)
}

// Uploading implements Traffic.
func (b *balance) Uploading(change int) {
	b.uploads.Add(int64(change))
	b.Traffic.Uploading(change)
}

// Streaming implements Traffic.
func (b *balance) Streaming(change int) {
	b.streams.Add(int64(change))
	b.Traffic.Streaming(change)
}

// Ended implements Traffic.
func (b *balance) Ended(route string, received, sent int64, status int, cause string) {
	b.ended.Add(1)
	b.counted.Add(received + sent)
	b.Traffic.Ended(route, received, sent, status, cause)
}

// require checks the balance, and the folder of uploads, once the server is closed.
func (b *balance) require(t *testing.T, spool string) {
	t.Helper()
	requireEmptySpool(t, spool)
	require.Zero(t, b.running.Load(), "tasks that still run")
	require.Zero(t, b.uploads.Load(), "uploads that have not ended")
	require.Zero(t, b.streams.Load(), "streams that have not ended")
	require.Equal(t, b.requests.Load(), b.ended.Load(), "each request is counted once")
	require.Equal(t, b.received.Load()+b.sent.Load(), b.counted.Load(), "bytes as they passed, and at the ends of requests")
}
