package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

// reconnect is how many milliseconds an EventSource waits before it comes back.
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
		seen = 0 // of a store that is no more
	case seen == job.Revision && job.Status.Terminal():
		return gen.FollowJob204Response{}, nil
	}
	return &jobStream{Handlers: h, ctx: ctx, viewer: viewer, id: job.ID, seen: seen}, nil
}

// jobStream sends what happens to a job.
type jobStream struct {
	*Handlers
	ctx    context.Context //nolint:containedctx // of the request that the response belongs to
	viewer string
	id     string
	// seen is the revision that the client has.
	seen jobs.Revision
	// told is the job as it was told last, nil before.
	told *jobs.Job

	// mu keeps events and heartbeats apart.
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// VisitFollowJobResponse implements gen.FollowJobResponseObject. An error behind the
// first byte ends the stream; the client comes back and is answered by it.
func (s *jobStream) VisitFollowJobResponse(w http.ResponseWriter) error {
	ctx, cancel := web.UntilDrain(s.ctx)
	s.w, s.control = w, http.NewResponseController(w)
	events := web.NewEvents(w)
	events.Begin()
	s.write(fmt.Sprintf("retry: %d\n\n", reconnect))

	var heart sync.WaitGroup
	heart.Go(func() { s.beat(ctx) })
	defer heart.Wait()
	defer cancel()
	err := s.Jobs.Follow(ctx, s.viewer, s.id, s.seen, s.tell)
	if err != nil && ctx.Err() == nil && !errors.Is(err, jobs.ErrStopping) {
		s.Log.Warn("a job could not be followed", "job", s.id, "error", err)
	}
	return nil
}

// beat sends a comment now and then, so that nobody on the way takes the
// connection for dead.
func (s *jobStream) beat(ctx context.Context) {
	ticker := time.NewTicker(s.heartbeat)
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

// write sends text at once. What a client that has left does not take is dropped:
// the request's context ends the stream.
func (s *jobStream) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprint(s.w, text)
	_ = s.control.Flush()
}

// tell sends what has changed.
func (s *jobStream) tell(job jobs.Job) error {
	job.Params = nil // the client has them, or asks for the job
	name, data := eventOf(s.told, job)
	s.told = &job
	if name == "" {
		return nil
	}
	body, err := json.Marshal(data)
	if err != nil {
		return errors.Join(errors.New("encode an event"), err)
	}
	s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", job.Revision, name, body))
	return nil
}

// eventOf gives the event that tells of a job after it was told as before, nil
// for never. It has no name where a client would see no difference.
func eventOf(before *jobs.Job, job jobs.Job) (name string, data any) {
	switch {
	case job.Status.Terminal():
		return eventEnd, jobView(job)
	case before == nil, before.Status != job.Status, len(before.Attempts) != len(job.Attempts), before.CancelRequested != job.CancelRequested:
		return eventState, jobView(job)
	case before.Progress == job.Progress && before.Stage == job.Stage && before.SecondsLeft == job.SecondsLeft:
		return "", nil
	}
	view := jobView(job)
	return eventProgress, gen.JobProgress{
		Id: view.Id, Status: view.Status, Stage: view.Stage, Progress: view.Progress, SecondsLeft: view.SecondsLeft, Attempts: view.Attempts,
	}
}
