package jobs

import (
	"bufio"
	"context"
	"encoding/json"
	"mime"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// GetBatchResults implements gen.StrictServerInterface.
func (h *Handlers) GetBatchResults(
	ctx context.Context, request gen.GetBatchResultsRequestObject,
) (gen.GetBatchResultsResponseObject, error) {
	view, err := h.Batches.Get(ctx, web.ViewerOf(ctx), request.BatchId)
	if err != nil {
		return nil, jobFault(err)
	}
	results := batchResults{Handlers: h, ctx: ctx, batch: view}
	if format := request.Params.Format; format != nil && *format == gen.GetBatchResultsParamsFormatZip {
		return batchArchive{results}, nil
	}
	return results, nil
}

// batchResults is a response with the results of a batch in lines.
type batchResults struct {
	*Handlers
	ctx   context.Context //nolint:containedctx // of the request that the response belongs to
	batch batches.View
}

// VisitGetBatchResultsResponse implements gen.GetBatchResultsResponseObject. An error after the
// first line breaks the connection, so that the client does not take a part for the whole.
func (b batchResults) VisitGetBatchResultsResponse(w http.ResponseWriter) error {
	b.header(w, "application/x-ndjson", ".jsonl")
	counted := &countingWriter{w: w}
	buffered := bufio.NewWriter(counted)
	encoder := json.NewEncoder(buffered)
	err := b.Batches.Results(b.ctx, web.ViewerOf(b.ctx), b.batch.ID, func(r batches.Result) error {
		body, err := jsonResult(r)
		if err != nil {
			return err
		}
		line := resultView(r)
		if len(body) > 0 {
			line.Result = &body
		}
		return encoder.Encode(line)
	})
	if err == nil {
		err = buffered.Flush()
	}
	return b.broken(w, counted.n, err)
}

// header sets the header of the response.
func (b batchResults) header(w http.ResponseWriter, contentType, ending string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": b.batch.ID + ending}))
}

// broken handles an error after some bytes of the response were sent.
func (b batchResults) broken(w http.ResponseWriter, sent int64, err error) error {
	if err == nil {
		return nil
	}
	if sent == 0 {
		w.Header().Del("Content-Disposition")
		return jobFault(err)
	}
	if b.ctx.Err() == nil {
		b.Log.Error("the results of a batch could not be sent", "batch", b.batch.ID, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// countingWriter counts the bytes that are written.
type countingWriter struct {
	w http.ResponseWriter
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// resultView returns an item that has ended as clients see it, without its result.
func resultView(r batches.Result) gen.BatchResult {
	view := gen.BatchResult{
		Item: r.Item, Name: web.Unless(r.Request.Name, ""), Status: gen.BatchResultStatus(r.Status), AudioId: web.Unless(r.Request.AudioID, ""),
		Job: web.Unless(r.Job, ""), Service: web.Unless(r.Service, ""), Task: web.Unless(r.Task, ""), Model: web.Unless(r.Model, ""),
		Attempts: web.Unless(r.Attempts, 0), Started: web.UnlessZero(r.Started), Finished: web.UnlessZero(r.Finished),
		Warnings: web.WarningsView(r.Warnings), Error: failureView(r.Failure),
	}
	for _, sound := range r.Sounds {
		view.Sounds = append(view.Sounds, gen.StoredSound{AudioId: sound.AudioID, ContentType: sound.ContentType, Bytes: sound.AudioBytes})
	}
	return view
}

// jsonResult returns the result of an item as its job would return it as JSON; nil if it has
// none.
func jsonResult(r batches.Result) (json.RawMessage, error) {
	if len(r.Result) == 0 {
		return nil, nil
	}
	body, err := encodeResult(r.AsJob(), resultForms(r.AsJob(), nil)[0], r.Result, tasks.NewResult(r.Task))
	return body.Text, err
}
