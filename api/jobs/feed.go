package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// FollowJobs implements gen.StrictServerInterface.
func (h *Handlers) FollowJobs(ctx context.Context, request gen.FollowJobsRequestObject) (gen.FollowJobsResponseObject, error) {
	filter, err := jobFilter(gen.ListJobsParams{Label: request.Params.Label, Service: request.Params.Service})
	if err != nil {
		return nil, err
	}
	filter.Owner = web.ViewerOf(ctx)
	stream := &feedStream{Handlers: h, ctx: ctx, filter: filter, sent: make(map[string]jobs.Job)}
	if last := request.Params.LastEventID; last != nil {
		number, err := strconv.ParseUint(*last, 10, 64)
		if err != nil {
			return nil, services.Invalidf("Last-Event-ID", "must be the id of an event of this stream, got %.40q", *last)
		}
		stream.after = jobs.Revision(number)
	}
	return stream, nil
}

// feedStream sends the events of many jobs.
type feedStream struct {
	*Handlers
	ctx    context.Context //nolint:containedctx // of the request that the response belongs to
	filter jobs.Filter
	after  jobs.Revision
	// sent has the jobs that have not ended, as they were last sent.
	sent map[string]jobs.Job
	*eventWriter
}

// VisitFollowJobsResponse implements gen.FollowJobsResponseObject.
func (s *feedStream) VisitFollowJobsResponse(w http.ResponseWriter) error {
	ctx, cancel := web.UntilDrain(s.ctx)
	s.eventWriter = newEventWriter(w, s.heartbeat)
	var heart sync.WaitGroup
	heart.Go(func() { s.beat(ctx) })
	defer heart.Wait()
	defer cancel()
	err := s.Jobs.Feed(ctx, s.filter, s.after, s.send)
	if err != nil && ctx.Err() == nil && !errors.Is(err, jobs.ErrStopping) {
		s.Log.Warn("the jobs could not be followed", "error", err)
	}
	return nil
}

// send sends the events of the jobs that have changed. The last one has the id to resume
// after, which is that of all of them together.
func (s *feedStream) send(list []jobs.Job, mark jobs.Revision) error {
	var events []string
	for _, job := range list {
		job.Params = nil // unchanged; GET returns them
		var before *jobs.Job
		if last, ok := s.sent[job.ID]; ok {
			before = &last
		}
		name, data := eventOf(before, job)
		if job.Status.Terminal() {
			delete(s.sent, job.ID)
		} else {
			s.sent[job.ID] = job
		}
		if name == "" {
			continue
		}
		body, err := json.Marshal(data)
		if err != nil {
			return errors.Join(errors.New("encode event"), err)
		}
		events = append(events, fmt.Sprintf("event: %s\ndata: %s\n\n", name, body))
	}
	if len(events) > 0 {
		events[len(events)-1] = fmt.Sprintf("id: %d\n%s", mark, events[len(events)-1])
		s.write(strings.Join(events, ""))
	}
	return nil
}
