package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/services"
)

// maxComplaints bounds the items that a refusal names.
const maxComplaints = 20

// CreateBatch implements gen.StrictServerInterface.
func (h *Handlers) CreateBatch(ctx context.Context, request gen.CreateBatchRequestObject) (gen.CreateBatchResponseObject, error) {
	draft, err := h.Batches.Draft(web.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := draft.Discard(context.WithoutCancel(ctx)); err != nil {
			h.Log.Warn("a batch that was not accepted could not be removed", "error", err)
		}
	}()
	intake := &batchIntake{Handlers: h, draft: draft}
	switch {
	case request.MultipartBody != nil:
		err = intake.readForm(ctx, request)
	case request.JSONBody != nil:
		err = intake.readJSON(ctx, request.JSONBody)
	case request.Body != nil:
		if err = intake.readLines(ctx, request.Body, "", true); err != nil {
			err = h.ReceiveFault(web.ABody, err)
		}
	default:
		err = services.Faultf(services.KindUnsupported, "the body must be multipart/form-data, application/json or application/x-ndjson, "+
			"as curl -H 'Content-Type: application/x-ndjson' --data-binary @items.jsonl sends it")
	}
	if err := web.Join(err, intake.bad.Fault()); err != nil {
		return nil, err
	}
	intake.request.IdempotencyKey = web.Value(request.Params.IdempotencyKey)
	view, existed, err := draft.Commit(ctx, intake.request)
	if err != nil {
		return nil, jobFault(err)
	}
	return acceptedBatch{view, existed}, nil
}

// batchIntake reads the request for a batch.
type batchIntake struct {
	*Handlers
	draft   *batches.Draft
	request batches.Request
	bad     services.Complaints
	wrong   int // items with complaints
}

// readJSON reads a request that the contract has accepted.
func (b *batchIntake) readJSON(ctx context.Context, body *gen.BatchRequest) error {
	b.take(body)
	for _, item := range web.Value(body.Items) {
		if err := b.add(ctx, item, 0); err != nil || b.wrong >= maxComplaints {
			return err
		}
	}
	return nil
}

// readForm reads the parts of a form.
func (b *batchIntake) readForm(ctx context.Context, request gen.CreateBatchRequestObject) error {
	requests := 0
	err := b.ReceiveParts(ctx, request.MultipartBody, func(part web.Part) error {
		switch part.Field {
		case "request":
			requests++
			return b.readRequest(part)
		case "audio":
			return b.readAudio(ctx, part)
		case "items":
			return b.readLines(ctx, part.Body, "items", false)
		}
		b.bad.Complain(part.Field, "is not a field of this form; the fields are request, audio, items")
		return nil
	})
	if requests != 1 && err == nil {
		b.bad.Complain("request", "must be present once, as JSON such as {\"task\":\"transcribe\"}, got %d", requests)
	}
	return err
}

// readRequest reads the part "request" of a form.
func (b *batchIntake) readRequest(part web.Part) error {
	text, cut, err := part.ReadField(web.MaxJSON)
	if err != nil {
		return err
	}
	if cut {
		b.bad.Complain("request", "has more than %d bytes", web.MaxJSON)
		return nil
	}
	var body gen.BatchRequest
	if fault := parseAs(b.batch, []byte(text), "request", &body); fault != nil {
		b.complain(fault, "", 0)
		return nil
	}
	if body.Items != nil {
		b.bad.Complain("request.items", "cannot be combined with a form; send them as parts audio or items")
	}
	b.take(&body)
	return nil
}

// readAudio stores the recording of a part as an item.
func (b *batchIntake) readAudio(ctx context.Context, part web.Part) error {
	in, err := b.TakePart(ctx, part)
	if err != nil {
		return err
	}
	if in.Size() == 0 || b.wrong >= maxComplaints {
		b.bad.Complain("audio", "%s is empty", cmp.Or(part.File, fmt.Sprintf("number %d", b.draft.Items())))
		return in.Discard(ctx)
	}
	id, err := b.draft.Save(ctx, in)
	if err != nil {
		return err
	}
	return b.put(ctx, batches.Item{Name: part.File, AudioID: id}, 0)
}

// readLines reads items in lines; headed is set if the first line may have the request.
func (b *batchIntake) readLines(ctx context.Context, r io.Reader, field string, headed bool) error {
	lines := newLineReader(r)
	for first := headed; b.wrong < maxComplaints; first = false {
		raw, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var fault *services.Fault
		if errors.As(err, &fault) && fault.Kind == services.KindInvalid {
			b.complain(fault, b.place(), lines.line)
			continue
		}
		if err != nil {
			return err
		}
		if first && b.readHead(raw, lines.line) {
			continue
		}
		var item gen.BatchItem
		if fault := parseAs(b.item, raw, cmp.Or(field, "line"), &item); fault != nil {
			b.complain(fault, b.place(), lines.line)
			continue
		}
		if err := b.add(ctx, item, lines.line); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// readHead reads a line with the request alone, and reports whether it is one.
func (b *batchIntake) readHead(raw []byte, line int) bool {
	var head struct {
		Batch json.RawMessage `json:"batch"`
	}
	if json.Unmarshal(raw, &head) != nil || head.Batch == nil {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&head); err != nil {
		b.bad.Complain("batch", "line %d: must be the only field of its line", line)
	}
	var body gen.BatchRequest
	if fault := parseAs(b.batch, head.Batch, "batch", &body); fault != nil {
		b.complain(fault, "batch", line)
		return true
	}
	if body.Items != nil {
		b.bad.Complain("batch.items", "line %d: cannot be combined with items in lines", line)
	}
	b.take(&body)
	return true
}

// take sets what all items have in common.
func (b *batchIntake) take(body *gen.BatchRequest) {
	b.request = batches.Request{
		Shared: batches.Item{
			Service: web.Value(body.Service), Task: web.Value(body.Task), Params: web.Value(body.Params), Labels: web.Value(body.Labels),
		},
		Title: web.Value(body.Title), Callback: web.Value(body.CallbackUrl),
	}
	b.checkLabels("labels", b.request.Shared.Labels, 0)
	if body.Priority != nil {
		var err error
		if b.request.Priority, err = services.ParsePriority(string(*body.Priority)); err != nil {
			b.bad.Complain("priority", "%v", err)
		}
	}
}

// checkLabels complains about the keys of labels.
func (b *batchIntake) checkLabels(field string, labels map[string]string, line int) {
	for key := range labels {
		if !labelKey.MatchString(key) {
			b.bad.Complain(field, "%smust have keys of 1 to 63 letters, digits, '.', '_', '/' or '-', got %.80q", atLine(line), key)
		}
	}
}

// add adds an item that matches the contract.
func (b *batchIntake) add(ctx context.Context, item gen.BatchItem, line int) error {
	b.checkLabels(b.place()+".labels", web.Value(item.Labels), line)
	return b.put(ctx, batches.Item{
		Name: web.Value(item.Name), Service: web.Value(item.Service), Task: web.Value(item.Task), Params: web.Value(item.Params),
		Labels: web.Value(item.Labels), AudioID: web.Value(item.AudioId),
	}, line)
}

// put adds an item, and complains about one that is refused.
func (b *batchIntake) put(ctx context.Context, item batches.Item, line int) error {
	err := b.draft.Add(ctx, item, line)
	var fault *services.Fault
	if errors.As(err, &fault) && fault.Kind == services.KindInvalid {
		b.wrong++
		for _, field := range fault.Fields {
			b.bad.Complain(field.Field, "%s", field.Problem)
		}
		return nil
	}
	return err
}

// place names the next item.
func (b *batchIntake) place() string { return fmt.Sprintf("items[%d]", b.draft.Items()) }

// complain adds a fault of an item or the request.
func (b *batchIntake) complain(fault *services.Fault, at string, line int) {
	if line > 0 && at != "batch" {
		b.draft.Skip()
		b.wrong++
	}
	for _, field := range fault.Fields {
		name := field.Field
		switch {
		case name == "" || name == "line" || name == "items" && line > 0:
			name = at
		case at != "":
			name = at + "." + name
		}
		b.bad.Complain(cmp.Or(name, "request"), "%s%s", atLine(line), field.Problem)
	}
}

// atLine names a line, unless it is 0.
func atLine(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", line)
}

// parseAs reads JSON that must match a schema; field names the whole in a fault.
func parseAs(schema *openapi3.Schema, raw []byte, field string, into any) *services.Fault {
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return services.Invalidf(field, "is not valid JSON: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return services.Invalidf(field, "has more than one JSON value")
	}
	if err := schema.VisitJSON(plain, openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.EnableFormatValidation()); err != nil {
		return &services.Fault{Kind: services.KindInvalid, Fields: web.SchemaProblems(err), Err: err}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return services.Invalidf(field, "cannot be read: %v", err)
	}
	return nil
}
