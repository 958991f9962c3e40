package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Names of a job's events.
const (
	eventState    = "state"
	eventProgress = "progress"
	eventEnd      = "end"
)

// reconnect is the time in milliseconds after which an EventSource reconnects.
const reconnect = 2000

// FollowJob implements gen.StrictServerInterface.
func (h *Handlers) FollowJob(ctx context.Context, request gen.FollowJobRequestObject) (gen.FollowJobResponseObject, error) {
	viewer := web.ViewerOf(ctx)
	job, err := h.Jobs.Get(ctx, viewer, request.JobId)
	if err != nil {
		return nil, jobFault(err)
	}
	var seen jobs.Revision
	if last := request.Params.LastEventID; last != nil {
		number, err := strconv.ParseUint(*last, 10, 64)
		if err != nil {
			return nil, services.Invalidf("Last-Event-ID", "must be the id of an event of this job, got %.40q", *last)
		}
		seen = jobs.Revision(number)
	}
	switch {
	case seen > job.Revision:
		seen = 0 // the store has been replaced
	case seen == job.Revision && job.Status.Terminal():
		return gen.FollowJob204Response{}, nil
	}
	return &jobStream{Handlers: h, ctx: ctx, viewer: viewer, id: job.ID, seen: seen}, nil
}

// jobStream sends the events of a job.
type jobStream struct {
	*Handlers
	ctx    context.Context //nolint:containedctx // of the request that the response belongs to
	viewer string
	id     string
	// seen is the latest revision that the client has received.
	seen jobs.Revision
	// last is the job as it was last sent; nil before the first event.
	last *jobs.Job

	*eventWriter
}

// eventWriter writes events and heartbeats.
type eventWriter struct {
	// interval of the heartbeats.
	interval time.Duration
	// mu serializes events and heartbeats.
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// newEventWriter sends the header and the time to reconnect.
func newEventWriter(w http.ResponseWriter, interval time.Duration) *eventWriter {
	e := &eventWriter{interval: interval, w: w, control: http.NewResponseController(w)}
	web.NewEvents(w).Begin()
	e.write(fmt.Sprintf("retry: %d\n\n", reconnect))
	return e
}

// VisitFollowJobResponse implements gen.FollowJobResponseObject. An error after the first
// byte ends the stream; the client reconnects and then receives the error.
func (s *jobStream) VisitFollowJobResponse(w http.ResponseWriter) error {
	ctx, cancel := web.UntilDrain(s.ctx)
	s.eventWriter = newEventWriter(w, s.heartbeat)
	var heart sync.WaitGroup
	heart.Go(func() { s.beat(ctx) })
	defer heart.Wait()
	defer cancel()
	err := s.Jobs.Follow(ctx, s.viewer, s.id, s.seen, s.send)
	if err != nil && ctx.Err() == nil && !errors.Is(err, jobs.ErrStopping) {
		s.Log.Warn("a job could not be followed", "job", s.id, "error", err)
	}
	return nil
}

// beat sends comments regularly, so that intermediaries do not close an idle connection.
func (s *eventWriter) beat(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.write(":\n\n")
		}
	}
}

// write sends text and flushes it. Write errors are ignored: when the client has left, the
// request's context ends the stream.
func (s *eventWriter) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprint(s.w, text)
	_ = s.control.Flush()
}

// send sends an event if the job has changed.
func (s *jobStream) send(job jobs.Job) error {
	job.Params = nil // unchanged; GET returns them
	name, data := eventOf(s.last, job)
	s.last = &job
	if name == "" {
		return nil
	}
	body, err := json.Marshal(data)
	if err != nil {
		return errors.Join(errors.New("encode event"), err)
	}
	s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", job.Revision, name, body))
	return nil
}

// eventOf returns the event for a change of a job; before is nil for the first event. The
// name is empty if the change is not visible to clients.
func eventOf(before *jobs.Job, job jobs.Job) (name string, data any) {
	switch {
	case job.Status.Terminal():
		return eventEnd, jobView(job)
	case before == nil, before.Status != job.Status, len(before.Attempts) != len(job.Attempts), before.CancelRequested != job.CancelRequested:
		return eventState, jobView(job)
	case before.Progress == job.Progress && before.Stage == job.Stage && before.SecondsLeft == job.SecondsLeft &&
		slices.Equal(before.Steps, job.Steps):
		return "", nil
	}
	view := jobView(job)
	return eventProgress, gen.JobProgress{
		Id: view.Id, Status: view.Status, Stage: view.Stage, Progress: view.Progress, SecondsLeft: view.SecondsLeft, Attempts: view.Attempts,
		Steps: view.Steps,
	}
}
