package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// resultForm is one form in which a result comes.
type resultForm struct {
	// name is the value of the parameter format.
	name        string
	contentType string
	// write makes the text of the result's JSON; nil for the stored sound.
	write func(value json.RawMessage) (string, error)
}

// resultForms gives the forms of a job's result, the one for who names none first.
func resultForms(job jobs.Job) []resultForm {
	forms := []resultForm{{"json", "application/json", func(value json.RawMessage) (string, error) { return string(value) + "\n", nil }}}
	if sound := job.Result; sound != nil && sound.AudioID != "" {
		forms = slices.Insert(forms, 0, resultForm{name: "audio", contentType: sound.ContentType})
	}
	switch job.Task {
	case services.TaskTranscribe:
		forms = transcriptForms(forms, job.Params)
	case services.TaskAsk, services.TaskCaption:
		forms = append(forms, resultForm{"text", "text/plain; charset=utf-8", func(value json.RawMessage) (string, error) {
			var answer services.Answer
			err := json.Unmarshal(value, &answer)
			return answer.Text + "\n", err
		}})
	}
	return forms
}

// transcriptForms adds the forms of a transcription. The one that the job's own
// parameters name comes first.
func transcriptForms(forms []resultForm, raw json.RawMessage) []resultForm {
	var params services.TranscribeParams
	// What was accepted can be read; otherwise nothing is named.
	_ = json.Unmarshal(raw, &params)
	if params.ResponseFormat == services.FormatVerbose {
		forms[0].write = transcript(services.FormatVerbose, params.TimestampGranularities...)
	}
	forms = append(forms,
		resultForm{services.FormatText, "text/plain; charset=utf-8", transcript(services.FormatText)},
		resultForm{services.FormatSRT, "application/x-subrip; charset=utf-8", transcript(services.FormatSRT)},
		resultForm{services.FormatVTT, "text/vtt; charset=utf-8", transcript(services.FormatVTT)})
	if at := slices.IndexFunc(forms, func(f resultForm) bool { return f.name == params.ResponseFormat }); at > 0 {
		named := forms[at]
		forms = slices.Insert(slices.Delete(forms, at, at+1), 0, named)
	}
	return forms
}

// transcript writes a stored transcription in a format.
func transcript(format string, granularities ...string) func(json.RawMessage) (string, error) {
	return func(value json.RawMessage) (string, error) {
		var t services.Transcription
		if err := json.Unmarshal(value, &t); err != nil {
			return "", err
		}
		text, err := t.Encode(format, granularities...)
		return string(text), err
	}
}

// chooseForm gives the form that the request asks for.
func chooseForm(forms []resultForm, format string, accept []string) (resultForm, error) {
	var types []string
	for _, form := range forms {
		if form.name == format {
			return form, nil
		}
		types = append(types, form.contentType)
	}
	asked := "format=" + format
	if format == "" {
		if i := negotiate(accept, types); i >= 0 {
			return forms[i], nil
		}
		asked = strings.Join(accept, ", ")
	}
	var names []string
	for _, form := range forms {
		kind, _, _ := strings.Cut(form.contentType, ";")
		names = append(names, fmt.Sprintf("%s (format=%s)", kind, form.name))
	}
	return resultForm{}, &problem.HTTPError{
		Status: http.StatusNotAcceptable, Slug: "not_acceptable", Title: "Not acceptable",
		Message: fmt.Sprintf("the result does not come as %.80s; it comes as %s", asked, strings.Join(names, ", ")),
	}
}

// GetJobResult implements gen.StrictServerInterface.
func (h *handlers) GetJobResult(ctx context.Context, request gen.GetJobResultRequestObject) (gen.GetJobResultResponseObject, error) {
	viewer := h.viewer(ctx)
	job, err := h.Jobs.Get(ctx, viewer, request.JobId)
	if err != nil {
		return nil, jobFault(err)
	}
	if job.Status != jobs.StatusSucceeded {
		return nil, noResult(job)
	}
	e := exchangeOf(ctx)
	e.w.Header().Set("Vary", "Accept")
	form, err := chooseForm(resultForms(job), string(value(request.Params.Format)), e.r.Header.Values("Accept"))
	if err != nil {
		return nil, err
	}
	if job.Result != nil {
		writeOutcome(e.w.Header(), job.Result.Model, job.Result.Warnings)
	}
	if form.write == nil {
		return h.openSound(ctx, job.Result.AudioID, form.contentType, job.ID)
	}
	_, raw, err := h.Jobs.Result(ctx, viewer, job.ID)
	if err != nil {
		withoutOutcome(e.w.Header())
		return nil, jobFault(err)
	}
	text, err := form.write(raw)
	if err != nil {
		return nil, services.Internal(err, "the result could not be encoded")
	}
	return resultText{contentType: form.contentType, text: text}, nil
}

// noResult says why a job has no result.
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

// resultText is a result that is no sound.
type resultText struct{ contentType, text string }

// VisitGetJobResultResponse implements gen.GetJobResultResponseObject.
func (r resultText) VisitGetJobResultResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", r.contentType)
	_, err := io.WriteString(w, r.text)
	return err
}
