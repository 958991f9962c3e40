package jobs

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// followed is a job that does not change; ended receives the error of its follower.
type followed struct {
	Jobs
	ended chan error
}

// Follow implements Jobs.
func (f *followed) Follow(ctx context.Context, _, id string, _ jobs.Revision, changed func(jobs.Job) error) error {
	err := changed(jobs.Job{ID: id, Status: jobs.StatusQueued, Revision: 1})
	<-ctx.Done()
	f.ended <- ctx.Err()
	return err
}

// beats is a writer that reports heartbeats.
type beats struct {
	http.ResponseWriter
	beat chan struct{}
}

func (b *beats) Header() http.Header { return http.Header{} }
func (b *beats) WriteHeader(int)     {}
func (b *beats) Flush()              {}

func (b *beats) Write(p []byte) (int, error) {
	if string(p) == ":\n\n" {
		b.beat <- struct{}{}
	}
	return len(p), nil
}

func TestASilentStreamHasHeartbeats(t *testing.T) {
	t.Parallel()
	script := &followed{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	h := &Handlers{Base: &web.Base{Log: slog.New(slog.DiscardHandler)}, Jobs: script, heartbeat: time.Millisecond}
	w := &beats{beat: make(chan struct{})}
	done := make(chan error)
	go func() { done <- (&jobStream{Handlers: h, ctx: ctx, id: "job_1"}).VisitFollowJobResponse(w) }()
	<-w.beat
	<-w.beat
	cancel()
	go func() {
		for range w.beat { // one may be under way
		}
	}()
	require.NoError(t, <-done)
	close(w.beat)
	<-script.ended
}
