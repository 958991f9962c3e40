package jobs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// labelKey bounds the keys of labels. A colon would part key and value in a filter.
var labelKey = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,63}$`)

// CreateJob implements gen.StrictServerInterface.
func (h *Handlers) CreateJob(ctx context.Context, request gen.CreateJobRequestObject) (gen.CreateJobResponseObject, error) {
	wait, fault := preferredWait(web.Value(request.Params.Prefer))
	job, existed, err := h.accept(ctx, request, fault)
	if err != nil {
		return nil, err
	}
	return h.answer(ctx, job, wait, existed), nil
}

// accept reads a request and submits it. wrong is the fault of its headers, if any.
func (h *Handlers) accept(ctx context.Context, request gen.CreateJobRequestObject, wrong *services.Fault) (jobs.Job, bool, error) {
	body, upload, err := h.readJob(ctx, request)
	defer h.Discard(upload)
	if err := web.Join(err, wrong); err != nil {
		return jobs.Job{}, false, err
	}
	submission, err := submissionOf(body, upload)
	if err != nil {
		return jobs.Job{}, false, err
	}
	return h.submit(ctx, submission, web.Value(request.Params.IdempotencyKey))
}

// submitted is the response to a submission.
type submitted struct {
	job     jobs.Job
	result  json.RawMessage
	wait    time.Duration
	existed bool
}

// VisitCreateJobResponse implements gen.CreateJobResponseObject.
func (s submitted) VisitCreateJobResponse(w http.ResponseWriter) error {
	view := jobView(s.job)
	if len(s.result) > 0 {
		view.Result = &s.result
	}
	body, err := json.Marshal(view)
	if err != nil {
		return services.Internal(err, "the job could not be encoded")
	}
	header := w.Header()
	header.Set("Location", view.Links.Self)
	header.Set("Content-Type", "application/json")
	if s.wait > 0 {
		header.Set("Preference-Applied", fmt.Sprintf("wait=%d", int(s.wait.Seconds())))
	}
	if s.existed {
		header.Set("Idempotent-Replayed", "true")
	}
	status := http.StatusAccepted
	if s.job.Status.Terminal() {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the job is accepted even if the client has left
	return nil
}

// readJob parses a form or JSON request. The caller closes the upload, even after an error.
func (h *Handlers) readJob(ctx context.Context, request gen.CreateJobRequestObject) (*gen.JobRequest, *web.Upload, error) {
	switch {
	case request.MultipartBody != nil:
		upload, err := h.ReceiveForm(ctx, request.MultipartBody, web.FormShape{File: "audio", Optional: true, Known: []string{"request"},
			MaxField: web.MaxJSON, Take: h.Take(ctx)})
		body, formErr := h.parseJobForm(upload.Fields["request"])
		return body, upload, web.Join(err, formErr)
	case request.JSONBody != nil:
		upload := &web.Upload{}
		return request.JSONBody, upload, h.readInline(ctx, request.JSONBody, upload)
	}
	return nil, &web.Upload{}, services.Faultf(services.KindUnsupported, "%s", web.FormOrJSON)
}

// parseJobForm parses the part "request" of a form, which the validator does not check.
func (h *Handlers) parseJobForm(values []string) (*gen.JobRequest, *services.Fault) {
	body := new(gen.JobRequest)
	if fault := parseForm(values, `{"task":"transcribe"}`, h.request, body); fault != nil {
		return nil, fault
	}
	if body.Audio != nil {
		return nil, services.Invalidf("audio", "must be a part of its own in a form; base64 is for JSON requests")
	}
	return body, nil
}

// parseForm parses the part "request" of a form, of which there must be one, by its schema.
func parseForm(values []string, example string, schema *openapi3.Schema, body any) *services.Fault {
	if len(values) != 1 {
		return services.Invalidf("request", "must be present once, as JSON such as %s, got %d", example, len(values))
	}
	var plain any
	decoder := json.NewDecoder(strings.NewReader(values[0]))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return services.Invalidf("request", "is not valid JSON: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return services.Invalidf("request", "has more than one JSON value")
	}
	if err := schema.VisitJSON(plain, openapi3.MultiErrors(), openapi3.VisitAsRequest(), openapi3.EnableFormatValidation()); err != nil {
		return &services.Fault{Kind: services.KindInvalid, Fields: web.SchemaProblems(err), Err: err}
	}
	if err := json.Unmarshal([]byte(values[0]), body); err != nil {
		return services.Invalidf("request", "cannot be read: %v", err)
	}
	return nil
}

// readInline receives a recording sent as base64.
func (h *Handlers) readInline(ctx context.Context, body *gen.JobRequest, upload *web.Upload) error {
	if body.Audio == nil {
		return nil
	}
	err := h.TakeBytes(ctx, int64(base64.StdEncoding.DecodedLen(len(body.Audio.Data))))(upload, web.DecodeBase64(body.Audio.Data))
	if problem := web.Base64Problem(err); problem != "" {
		return services.Invalidf("audio.data", "%s", problem)
	}
	if err != nil {
		return h.ReceiveFault(web.SomeJSON, err)
	}
	return nil
}

// submissionOf checks what the contract cannot express and returns a fault that names all
// invalid fields.
func submissionOf(body *gen.JobRequest, upload *web.Upload) (jobs.Submission, error) {
	s := jobs.Submission{
		Service: web.Value(body.Service), Task: web.Value(body.Task), Labels: web.Value(body.Labels), Callback: web.Value(body.CallbackUrl),
		AudioID: web.Value(body.AudioId), Title: web.Value(body.Title),
	}
	var bad services.Complaints
	complain := bad.Complain
	if s.Service == "" && s.Task == "" {
		complain("task", "is missing; name the task, such as transcribe, or the service")
	}
	if body.Priority != nil {
		var err error
		if s.Priority, err = services.ParsePriority(string(*body.Priority)); err != nil {
			return s, err
		}
	}
	if body.Deadline != nil {
		s.Deadline = deadline(*body.Deadline, &bad)
	}
	for key := range s.Labels {
		if !labelKey.MatchString(key) {
			complain("labels", "must have keys of 1 to 63 letters, digits, '.', '_', '/' or '-', got %.80q", key)
		}
	}
	if body.Params != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, *body.Params); err != nil {
			complain("params", "is not valid JSON: %v", err)
		}
		if compact.Len() > int(jobs.MaxParams) {
			complain("params", "must have at most %d bytes, got %d", jobs.MaxParams, compact.Len())
		}
		s.Params = compact.Bytes()
	}
	if upload.Incoming != nil {
		if s.AudioID != "" {
			complain("audio_id", "cannot be combined with audio; a job has one recording")
		}
		if upload.Incoming.Size() == 0 {
			complain("audio", "is empty")
		}
		s.Upload = upload.Incoming
	}
	if fault := bad.Fault(); fault != nil {
		return s, fault
	}
	return s, nil
}

// deadline returns the time of a deadline. The zero time, which means that a job has none,
// is refused as past.
func deadline(text string, bad *services.Complaints) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		bad.Complain("deadline", "must be a time such as 2026-11-24T18:00:00Z, got %.40q", text)
	case at.IsZero():
		bad.Complain("deadline", "must be in the future, got %s", text)
	}
	return at
}
