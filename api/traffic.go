package api

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Traffic counts the bytes and the ends of requests; performance.Traffic implements it.
type Traffic interface {
	// Received and Sent count bytes of bodies as they pass.
	Received(bytes int)
	Sent(bytes int)
	// Uploading and Streaming count what begins with 1, and what ends with -1.
	Uploading(change int)
	Streaming(change int)
	// Ended counts a request that was answered. The cause is the code of the problem that
	// it was answered with, or empty.
	Ended(route string, received, sent int64, status int, cause string)
}

// noTraffic counts nothing.
type noTraffic struct{}

func (noTraffic) Received(int)                            {}
func (noTraffic) Sent(int)                                {}
func (noTraffic) Uploading(int)                           {}
func (noTraffic) Streaming(int)                           {}
func (noTraffic) Ended(string, int64, int64, int, string) {}

type refusalKey struct{}

// refused notes the code of the problem that a request is answered with.
func refused(r *http.Request, slug string) {
	if cause, ok := r.Context().Value(refusalKey{}).(*string); ok {
		*cause = slug
	}
}

// count counts the bytes of requests and answers, and what refused them.
func (h *handlers) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cause string
		r = r.WithContext(context.WithValue(r.Context(), refusalKey{}, &cause))
		counted := &countedWriter{ResponseWriter: w, traffic: h.Traffic}
		body := &countedBody{ReadCloser: r.Body, traffic: h.Traffic}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = body
		}
		defer func() {
			body.end()
			counted.end()
			route := "unknown"
			if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" && pattern != "/*" {
				route = r.Method + " " + strings.Replace(pattern, strictPath("{audio_id}"), "{audio_id}", 1)
			}
			h.Traffic.Ended(route, body.read, counted.sent, counted.status, cause)
		}()
		next.ServeHTTP(counted, r)
	})
}

// countedBody counts the bytes of a request's body.
type countedBody struct {
	io.ReadCloser
	traffic Traffic
	read    int64
	// begun is set by the first read, ended once nothing more can come.
	begun, ended bool
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.traffic.Uploading(1)
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	b.traffic.Received(n)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *countedBody) end() {
	if b.begun && !b.ended {
		b.ended = true
		b.traffic.Uploading(-1)
	}
}

// countedWriter counts the bytes of an answer.
type countedWriter struct {
	http.ResponseWriter
	traffic Traffic
	sent    int64
	status  int
	streams bool
}

// WriteHeader implements http.ResponseWriter.
func (w *countedWriter) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// begin is called before the header is sent.
func (w *countedWriter) begin(status int) {
	if w.status != 0 || status < http.StatusOK {
		return
	}
	w.status = status
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		w.streams = true
		w.traffic.Streaming(1)
	}
}

// Write implements io.Writer.
func (w *countedWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	w.traffic.Sent(n)
	return n, err
}

func (w *countedWriter) end() {
	if w.streams {
		w.traffic.Streaming(-1)
	}
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
