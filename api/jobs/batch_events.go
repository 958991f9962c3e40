package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
)

// Names of a batch's events, besides eventEnd.
const (
	eventBatch = "batch"
	eventItem  = "item"
)

// FollowBatch implements gen.StrictServerInterface.
func (h *Handlers) FollowBatch(ctx context.Context, request gen.FollowBatchRequestObject) (gen.FollowBatchResponseObject, error) {
	view, err := h.Batches.Get(ctx, web.ViewerOf(ctx), request.BatchId)
	if err != nil {
		return nil, jobFault(err)
	}
	last := web.Value(request.Params.LastEventID)
	if view.Status.Terminal() && last == strconv.FormatUint(uint64(view.Revision), 10) {
		return gen.FollowBatch204Response{}, nil
	}
	return &batchStream{Handlers: h, ctx: ctx, id: view.ID}, nil
}

// batchStream sends the events of a batch.
type batchStream struct {
	*Handlers
	ctx context.Context //nolint:containedctx // of the request that the response belongs to
	id  string
	*eventWriter
}

// VisitFollowBatchResponse implements gen.FollowBatchResponseObject.
func (s *batchStream) VisitFollowBatchResponse(w http.ResponseWriter) error {
	ctx, cancel := web.UntilDrain(s.ctx)
	s.eventWriter = newEventWriter(w, s.heartbeat)
	var heart sync.WaitGroup
	heart.Go(func() { s.beat(ctx) })
	defer heart.Wait()
	defer cancel()
	if err := s.Batches.Follow(ctx, web.ViewerOf(s.ctx), s.id, s.send); err != nil && ctx.Err() == nil {
		s.Log.Warn("a batch could not be followed", "batch", s.id, "error", err)
	}
	return nil
}

// send sends the items that have changed, and the batch.
func (s *batchStream) send(change batches.Change) error {
	var text bytes.Buffer
	event := func(name string, data any) error {
		body, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", name, body)
		return nil
	}
	for _, item := range change.Items {
		if err := event(eventItem, itemView(item)); err != nil {
			return err
		}
	}
	name := eventBatch
	if change.View.Status.Terminal() {
		name = eventEnd
		fmt.Fprintf(&text, "id: %d\n", change.View.Revision)
	}
	if err := event(name, batchView(change.View)); err != nil {
		return err
	}
	s.write(text.String())
	return nil
}

// itemView returns an item as clients see it.
func itemView(item batches.ItemState) gen.BatchItemState {
	view := gen.BatchItemState{Item: item.Item, Status: gen.BatchItemStateStatusPending, Error: failureView(item.Failure)}
	if item.Status != "" {
		view.Status = gen.BatchItemStateStatus(item.Status)
	}
	if job := item.Job; job != nil {
		view.Job, view.Title, view.Stage = &job.ID, web.Unless(job.Title, ""), web.Unless(job.Stage, "")
		view.Progress = new(min(max(job.Progress, 0), 1))
	}
	return view
}
