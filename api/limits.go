package api

import (
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
)

// maxInline bounds a body of JSON that may hold a recording as base64.
const maxInline = 32 << 20

// limitOf returns the limit for the body of a request.
func (h *handlers) limitOf(r *http.Request) web.Limit {
	kind := web.MediaType(r)
	switch {
	case kind == "multipart/form-data":
		return h.cfg.limits().Upload(web.AForm)
	case web.IsSound(kind), kind == web.AnyBytes:
		return h.cfg.limits().Upload(web.ARecording)
	case !isJSON(kind) && kind != curlType:
		return h.cfg.limits().Upload(web.ABody)
	}
	limit := web.Limit{Bytes: web.MaxJSON, Of: web.SomeJSON}
	if h.operations.of(r).inline {
		limit = web.Limit{Bytes: maxInline, Of: web.SomeJSON + " with a recording as base64"}
	}
	if limit.Bytes > int64(h.cfg.MaxUpload) {
		return h.cfg.limits().Upload(limit.Of)
	}
	return limit
}

// limitBody limits the body of every request. A body whose declared length exceeds the
// limit is refused before it is read.
func (h *handlers) limitBody(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > int64(h.cfg.MaxUpload) {
				problems.Write(w, r, h.limitOf(r).Fault(nil))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, int64(h.cfg.MaxUpload))
			next.ServeHTTP(w, r)
		})
	}
}

// isJSON reports whether a media type is JSON.
func isJSON(kind string) bool {
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}
