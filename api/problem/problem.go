// Package problem converts errors to HTTP responses. It has the table from fault kinds to
// status codes, and the writer used by every error hook of the router, the generated code
// and the validator. It knows faults, not the routes.
package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// row is the HTTP representation of a kind of fault.
type row struct {
	status int
	title  string
	// openAIType and openAICode are what OpenAI's clients map to their error classes.
	openAIType, openAICode string
}

// table is the only mapping from kinds to status codes.
var table = map[services.Kind]row{
	services.KindInvalid:     {http.StatusBadRequest, "Invalid request", "invalid_request_error", "invalid_value"},
	services.KindUnsupported: {http.StatusUnsupportedMediaType, "Unsupported format", "invalid_request_error", "unsupported_format"},
	services.KindNotFound:    {http.StatusNotFound, "Not found", "invalid_request_error", "not_found"},
	services.KindTooLarge:    {http.StatusRequestEntityTooLarge, "Too large", "invalid_request_error", "too_large"},
	services.KindFull:        {http.StatusInsufficientStorage, "No room", "server_error", "insufficient_storage"},
	services.KindBusy:        {http.StatusTooManyRequests, "Busy", "rate_limit_error", "busy"},
	services.KindUnavailable: {http.StatusServiceUnavailable, "Unavailable", "server_error", "unavailable"},
	// The client has left; the status is for the log, as in nginx.
	services.KindCancelled: {499, "Cancelled", "invalid_request_error", "cancelled"},
	services.KindTimeout:   {http.StatusGatewayTimeout, "Timed out", "server_error", "timeout"},
	services.KindInternal:  {http.StatusInternalServerError, "Internal error", "server_error", "internal"},
}

// HTTPError is an error of the HTTP layer that has no kind of fault: an unknown route, a
// method that is not allowed, a forbidden origin.
type HTTPError struct {
	Status  int
	Slug    string
	Title   string
	Message string
	// Fields are the invalid fields, if any.
	Fields []services.FieldError
	// RetryAfter is the time after which to retry; 0 if it is not known.
	RetryAfter time.Duration
}

// keyReused is the error of a request whose idempotency key was used for another one.
var keyReused = &HTTPError{
	Status: http.StatusUnprocessableEntity, Slug: "idempotency_key_reused", Title: "Idempotency key reused",
	Message: "the Idempotency-Key was used for a different request; use a new key",
}

// Error returns the message for the client.
func (e *HTTPError) Error() string { return e.Message }

// Writer writes error responses. It is safe for concurrent use.
type Writer struct {
	// Log receives the cause of every internal error, with the request's id.
	Log *slog.Logger
	// RequestID returns the id of a request.
	RequestID func(*http.Request) string
	// OpenAI reports whether a request is answered in the shape of OpenAI's errors.
	OpenAI func(r *http.Request) bool
	// Refused is called with the code of each problem; it may be nil.
	Refused func(r *http.Request, slug string)
}

// answer is an error response before it is encoded.
type answer struct {
	row
	slug       string
	detail     string
	fields     []services.FieldError
	retryAfter int
	requestID  string
}

// Write responds to a request with an error. The client receives the fault's message, of a
// bounded size, since it may quote the request; its cause is logged.
func (w *Writer) Write(rw http.ResponseWriter, r *http.Request, err error) {
	a := w.answer(r, err)
	a.detail, a.fields = services.ClipDetail(a.detail), services.ClipFields(a.fields)
	if w.Refused != nil {
		w.Refused(r, a.slug)
	}
	if a.status >= http.StatusInternalServerError {
		w.Log.ErrorContext(r.Context(), "request failed", "request_id", a.requestID, "method", r.Method, "path", r.URL.Path, "status", a.status,
			"error", err)
	}
	body, contentType := a.problem(), "application/problem+json"
	if w.OpenAI(r) {
		body, contentType = a.openAI(), "application/json"
	}
	if a.retryAfter > 0 {
		rw.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // strings and numbers only
	rw.Header().Set("Content-Type", contentType)
	// With a Content-Length the client sees the complete response while the rest of a
	// refused body is still being read.
	rw.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	rw.WriteHeader(a.status)
	// The client may have left; there is no other way to report the error.
	_, _ = rw.Write(text.Bytes())
}

func (w *Writer) answer(r *http.Request, err error) answer {
	a := answer{requestID: w.RequestID(r)}
	if errors.Is(err, services.ErrKeyReused) {
		err = keyReused
	}
	var httpErr *HTTPError
	if errors.As(err, &httpErr) {
		a.row = row{httpErr.Status, httpErr.Title, "invalid_request_error", httpErr.Slug}
		a.slug, a.detail, a.fields = httpErr.Slug, httpErr.Message, httpErr.Fields
		a.retryAfter = int(math.Ceil(httpErr.RetryAfter.Seconds()))
		return a
	}
	kind := services.KindOf(err)
	a.row, a.slug = table[kind], string(kind)
	a.detail = a.title
	var fault *services.Fault
	if errors.As(err, &fault) {
		a.detail, a.fields = fault.Detail(), fault.Fields
		// Round up: a client that waits too short a time retries in vain.
		a.retryAfter = int(math.Ceil(fault.RetryAfter.Seconds()))
	}
	if kind == services.KindBusy || kind == services.KindUnavailable {
		a.retryAfter = max(a.retryAfter, 1)
	}
	return a
}

// problemBody is an RFC 9457 object with additional members.
type problemBody struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	RequestID string         `json:"request_id"`
	Errors    []fieldProblem `json:"errors,omitempty"`
}

type fieldProblem struct {
	Field   string `json:"field"`
	Problem string `json:"problem"`
}

func (a answer) problem() any {
	body := problemBody{
		Type: "urn:grym-synth:problem:" + a.slug, Title: a.title, Status: a.status,
		Detail: a.detail, RequestID: a.requestID,
	}
	for _, f := range a.fields {
		body.Errors = append(body.Errors, fieldProblem{f.Field, f.Problem})
	}
	return body
}

// openAIBody is OpenAI's error object.
type openAIBody struct {
	Error openAIError `json:"error"`
}

type openAIError struct {
	Message   string  `json:"message"`
	Type      string  `json:"type"`
	Param     *string `json:"param"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
}

func (a answer) openAI() any {
	e := openAIError{Message: a.detail, Type: a.openAIType, Code: a.openAICode, RequestID: a.requestID}
	if len(a.fields) > 0 {
		e.Param = &a.fields[0].Field
		if a.status == http.StatusNotFound {
			e.Code = strings.ToLower(a.fields[0].Field) + "_not_found"
		}
	}
	return openAIBody{Error: e}
}
