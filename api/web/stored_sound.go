package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// AudioPath is the route of stored recordings; its body may be a recording.
const AudioPath = "/v1/audio"

// DefaultPage is the default number of items on a page of a list.
const DefaultPage = 20

// OpenSound opens a stored recording that the caller may see, for the response to a request.
// For a HEAD request no data is read. If contentType is empty, that of the recording is used.
func (b *Base) OpenSound(ctx context.Context, caller services.Caller, id, contentType, name string) (StoredSound, error) {
	r := ExchangeOf(ctx).R
	sound := StoredSound{request: r, name: name}
	var err error
	if r.Method == http.MethodHead || strings.Contains(r.Header.Get("If-None-Match"), etag(id)) {
		if sound.audio, err = b.Sounds.Describe(ctx, caller, id); err == nil {
			sound.content = unread{io.NewSectionReader(nil, 0, sound.audio.Bytes)}
		}
	} else {
		sound.content, sound.audio, err = b.Sounds.Open(ctx, caller, id)
	}
	if err != nil {
		return StoredSound{}, err
	}
	if contentType != "" {
		sound.audio.ContentType = contentType
	}
	return sound, nil
}

func etag(id string) string { return `"` + id + `"` }

// unread has the size of a recording but no data.
type unread struct{ *io.SectionReader }

func (unread) Close() error { return nil }

// StoredSound is a response with a stored recording or parts of it; it closes the
// recording.
type StoredSound struct {
	request *http.Request
	content io.ReadSeekCloser
	audio   library.Recording
	// name is the name, without extension, under which browsers save the file.
	name string
}

// Serve writes the response.
func (s StoredSound) Serve(w http.ResponseWriter) error {
	defer s.content.Close()
	header, contentType := w.Header(), ContentTypeOf(s.audio)
	kind, _, _ := strings.Cut(contentType, ";")
	header.Set("Content-Type", contentType)
	// The stored data is untrusted: browsers must not interpret it as a page.
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.name + endings[kind]}))
	header.Set("ETag", etag(s.audio.ID))
	refusing := &refusalWriter{ResponseWriter: w}
	http.ServeContent(refusing, s.request, "", s.audio.Created, s.content)
	return refusing.fault()
}

// refusalWriter suppresses the error responses of http.ServeContent, which are sent as
// problems instead.
type refusalWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *refusalWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.status = status
		w.Header().Del("Content-Disposition")
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *refusalWriter) Write(p []byte) (int, error) {
	if w.status != 0 {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

func (w *refusalWriter) fault() error {
	switch w.status {
	case 0:
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		return &problem.HTTPError{
			Status: w.status, Slug: "range_not_satisfiable", Title: "Range not satisfiable",
			Message: "the requested range is outside the recording; Content-Range has its size",
		}
	case http.StatusPreconditionFailed:
		return &problem.HTTPError{
			Status: w.status, Slug: "precondition_failed", Title: "Precondition failed",
			Message: "the recording does not match the request's precondition",
		}
	}
	return services.Internal(errors.New(http.StatusText(w.status)), "the sound could not be read")
}
