package api

import (
	"io"
	"net/http"
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
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{ReadCloser: r.Body, control: control, cfg: h.cfg, started: time.Now()}
			body.extend() // also for what net/http drains when nobody has read it
			r.Body = body
		}
		paced := &pacedWriter{ResponseWriter: w, control: control, timeout: h.cfg.WriteTimeout}
		next.ServeHTTP(paced, r)
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
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	switch err {
	case nil:
		b.extend()
	case io.EOF:
		// The deadline must go with the body: net/http takes its passing for a
		// hang-up.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

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
}

func (w *pacedWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) }

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
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
