package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// pace keeps slow clients from holding the server. The body of a request may
// take the time for a header and a second for each api.minUploadRate bytes, and
// never more than api.uploadTimeout; each write of an answer may take
// api.writeTimeout. net/http ends the context of a request whose answer cannot be
// written, and so its work.
func (h *handlers) pace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// The connection's last answer may have left a deadline.
		_ = control.SetWriteDeadline(time.Time{}) // unsupported in tests without a connection
		paced := &pacedWriter{ResponseWriter: w, control: control, timeout: h.cfg.WriteTimeout}
		if r.Body != nil && r.Body != http.NoBody {
			paced.body = &pacedBody{
				ReadCloser: r.Body, control: control, cfg: h.cfg, started: time.Now(),
				length: r.ContentLength, asks: r.Header.Get("Expect") != "", closes: r.Close,
			}
			paced.body.extend() // also for what net/http drains when nobody has read it
			r.Body = paced.body
		}
		next.ServeHTTP(paced, r)
		if paced.early {
			paced.Flush()
			paced.body.drain(r.Context())
		}
		paced.extend() // for the last flush
	})
}

// pacedBody gives each read a deadline by what has come so far.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	cfg     Config
	started time.Time
	read    int64
	// length of the body as its header says, below zero where it says nothing.
	length int64
	// asks is set if the client waits for 100 Continue before it sends the body.
	asks bool
	// closes is set if the connection ends with the response, as the request demands.
	closes bool
	// ended is set once nothing more can come, late where it came too slowly.
	ended, late bool
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch {
	case err == nil:
		b.extend()
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late = true
	default:
		b.ended = true
	}
	if err == io.EOF {
		// The deadline must go with the body: net/http takes its passing for a
		// hang-up.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Close leaves the body open, so that drain can read what is left; net/http closes it
// after the handler.
func (b *pacedBody) Close() error { return nil }

func (b *pacedBody) extend() {
	allowed := b.cfg.HeaderTimeout + time.Duration(float64(b.read)/float64(b.cfg.MinUploadRate)*float64(time.Second))
	_ = b.control.SetReadDeadline(b.started.Add(min(allowed, b.cfg.UploadTimeout)))
}

// pacedWriter gives each write a deadline. It hides net/http's ReadFrom, which
// would write a whole file under one.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	// body of the request, nil where it has none.
	body *pacedBody
	// early is set where the answer went out before the body had come.
	begun, early bool
}

func (w *pacedWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }

// WriteHeader implements http.ResponseWriter.
func (w *pacedWriter) WriteHeader(status int) {
	w.begin(status)
	w.ResponseWriter.WriteHeader(status)
}

// begin is called before the header of an answer goes out. Where much of the body is
// still to come, the connection ends with this answer; net/http reads the little that is
// left of another one itself.
func (w *pacedWriter) begin(status int) {
	if w.begun || status < http.StatusOK {
		return
	}
	w.begun = true
	if w.body != nil && w.body.pending() {
		w.early = true
		w.Header().Set("Connection", "close")
	}
}

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Flush implements http.Flusher.
func (w *pacedWriter) Flush() {
	w.extend()
	_ = w.control.Flush()
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
