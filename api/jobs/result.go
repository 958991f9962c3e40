package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Names of the forms that results of every task can have.
const (
	formJSON  = "json"
	formAudio = "audio"
)

// resultForms returns the forms of a job's result, the default first. value encodes the
// forms of the result's value and may be empty before the result is loaded.
func resultForms(job jobs.Job, value any) []services.Form {
	forms := []services.Form{{Name: formJSON, ContentType: "application/json"}}
	if sound := job.Result; sound != nil && sound.AudioID != "" {
		forms = slices.Insert(forms, 0, services.Form{Name: formAudio, ContentType: sound.ContentType})
	}
	others, first := services.FormsOf(value, job.Params)
	if first {
		forms = append(others, forms...)
	} else {
		forms = append(forms, others...)
	}
	// The parameters were validated on submission; the zero value is the default.
	var params struct {
		Form string `json:"response_format"`
	}
	_ = json.Unmarshal(job.Params, &params)
	if at := slices.IndexFunc(forms, func(f services.Form) bool { return f.Name == params.Form }); at > 0 {
		named := forms[at]
		forms = slices.Insert(slices.Delete(forms, at, at+1), 0, named)
	}
	return forms
}

// encodeResult encodes the stored JSON of a job's result in a form. value is an empty
// result of the job's task.
func encodeResult(job jobs.Job, form services.Form, raw json.RawMessage, value any) (web.Body, error) {
	tailored, ok := value.(services.Tailored)
	if form.Encode == nil && !ok {
		return web.NewJSON(raw), nil
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return web.Body{}, err
	}
	if form.Encode != nil {
		text, err := form.Encode()
		return web.Body{ContentType: form.ContentType, Text: text}, err
	}
	text, err := tailored.Tailor(job.Params)
	if text == nil {
		text = raw
	}
	return web.NewJSON(text), err
}

// chooseForm returns the form that the request asks for.
func chooseForm(forms []services.Form, format string, accept []string) (services.Form, error) {
	var types []string
	for _, form := range forms {
		if form.Name == format {
			return form, nil
		}
		types = append(types, form.ContentType)
	}
	asked := "format=" + format
	if format == "" {
		if i := web.Negotiate(accept, types); i >= 0 {
			return forms[i], nil
		}
		asked = strings.Join(accept, ", ")
	}
	var names []string
	for _, form := range forms {
		kind, _, _ := strings.Cut(form.ContentType, ";")
		names = append(names, fmt.Sprintf("%s (format=%s)", kind, form.Name))
	}
	return services.Form{}, &problem.HTTPError{
		Status: http.StatusNotAcceptable, Slug: "not_acceptable", Title: "Not acceptable",
		Message: fmt.Sprintf("the result is not available as %.80s; available: %s", asked, strings.Join(names, ", ")),
	}
}

// GetJobResult implements gen.StrictServerInterface.
func (h *Handlers) GetJobResult(ctx context.Context, request gen.GetJobResultRequestObject) (gen.GetJobResultResponseObject, error) {
	viewer := web.ViewerOf(ctx)
	job, err := h.Jobs.Get(ctx, viewer, request.JobId)
	if err != nil {
		return nil, jobFault(err)
	}
	if job.Status != jobs.StatusSucceeded {
		return nil, noResult(job)
	}
	e := web.ExchangeOf(ctx)
	e.W.Header().Add("Vary", "Accept")
	value := tasks.NewResult(job.Task)
	form, err := chooseForm(resultForms(job, value), string(web.Value(request.Params.Format)), e.R.Header.Values("Accept"))
	if err != nil {
		return nil, err
	}
	if job.Result != nil {
		web.WriteOutcome(e.W.Header(), job.Result.Model, job.Result.Warnings)
	}
	if form.Name == formAudio {
		// Callers that may see a job may also read the sound that it made.
		sound, err := h.OpenSound(ctx, services.Caller{Key: job.Owner, All: true}, job.Result.AudioID, form.ContentType, job.ID)
		return resultSound{sound}, err
	}
	_, raw, err := h.Jobs.Result(ctx, viewer, job.ID)
	if err != nil {
		web.WithoutOutcome(e.W.Header())
		return nil, jobFault(err)
	}
	body, err := encodeResult(job, form, raw, value)
	if err != nil {
		return nil, services.Internal(err, "the result could not be encoded")
	}
	return resultBody{body}, nil
}

// noResult returns the error of a job without a result.
func noResult(job jobs.Job) error {
	if !job.Status.Terminal() {
		left := time.Duration(job.SecondsLeft * float64(time.Second))
		return &problem.HTTPError{
			Status: http.StatusConflict, Slug: "job_not_finished", Title: "Job not finished",
			Message: fmt.Sprintf("the job is %s and has no result yet", job.Status), RetryAfter: min(max(left, time.Second), time.Minute),
		}
	}
	answer := &problem.HTTPError{Status: http.StatusConflict, Slug: "job_has_no_result", Title: "Job has no result"}
	answer.Message = "the job " + string(job.Status)
	if job.Status == jobs.StatusCancelled {
		answer.Message = "the job was cancelled"
	}
	if job.Failure != nil {
		answer.Message += ": " + job.Failure.Message
		answer.Fields = jobFields(job.Failure.Fields, "audio")
	}
	return answer
}

// resultBody is a result other than audio.
type resultBody struct{ web.Body }

// VisitGetJobResultResponse implements gen.GetJobResultResponseObject.
func (r resultBody) VisitGetJobResultResponse(w http.ResponseWriter) error { return r.Send(w) }

// resultSound is a result that is audio.
type resultSound struct{ web.StoredSound }

// VisitGetJobResultResponse implements gen.GetJobResultResponseObject.
func (r resultSound) VisitGetJobResultResponse(w http.ResponseWriter) error { return r.Serve(w) }
