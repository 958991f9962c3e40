package api

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// maxJSON bounds a body that is JSON: it is read into memory.
	maxJSON = 1 << 20
	// maxInline bounds a body of JSON that may hold a recording as base64.
	maxInline = 32 << 20
)

// What a body can be, in the words of its limit.
const (
	aForm      = "a form"
	aRecording = "a recording"
	someJSON   = "JSON"
	aBody      = "the body of a request"
)

// bodyLimit is the most bytes that a body may have.
type bodyLimit struct {
	bytes int64
	// of is what the limit is for.
	of string
	// setting is the limit's name in the configuration; empty where it has none.
	setting string
}

// fault returns the fault of a body over the limit.
func (l bodyLimit) fault(err error) *services.Fault {
	message := fmt.Sprintf("the body has more than %d bytes (%s), which is the limit for %s", l.bytes, services.Bytes(l.bytes), l.of)
	if l.setting != "" {
		message += "; the setting " + l.setting + " changes it"
	}
	return &services.Fault{Kind: services.KindTooLarge, Message: message, Err: err}
}

// uploadLimit returns the limit for every body, in the words of one kind of body.
func (h *handlers) uploadLimit(of string) bodyLimit {
	return bodyLimit{int64(h.cfg.MaxUpload), of, "api.maxUpload"}
}

// limitOf returns the limit for the body of a request.
func (h *handlers) limitOf(r *http.Request) bodyLimit {
	kind := mediaType(r)
	switch {
	case kind == "multipart/form-data":
		return h.uploadLimit(aForm)
	case isSound(kind), kind == anyBytes:
		return h.uploadLimit(aRecording)
	case !isJSON(kind) && kind != curlType:
		return h.uploadLimit(aBody)
	}
	limit := bodyLimit{bytes: maxJSON, of: someJSON}
	if h.operations.of(r).inline {
		limit = bodyLimit{bytes: maxInline, of: someJSON + " with a recording as base64"}
	}
	if limit.bytes > int64(h.cfg.MaxUpload) {
		return h.uploadLimit(limit.of)
	}
	return limit
}

// limitBody bounds what a request may send, whatever its route. A body that says
// its length is refused before any of it is read.
func (h *handlers) limitBody(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > int64(h.cfg.MaxUpload) {
				problems.Write(w, r, h.limitOf(r).fault(nil))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, int64(h.cfg.MaxUpload))
			next.ServeHTTP(w, r)
		})
	}
}

// mediaType returns the type of a request's body without parameters.
func mediaType(r *http.Request) string {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // none where it cannot be read
	return kind
}

// isJSON reports whether a media type is JSON.
func isJSON(kind string) bool {
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}
