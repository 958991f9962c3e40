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

// AudioPath is where recordings are stored; a body may be one.
const AudioPath = "/v1/audio"

// DefaultPage is the length of a page of a list unless the request says so.
const DefaultPage = 20

// OpenSound opens stored sound for the answer to a request; nothing is read of it
// if the answer has no body. The content type is the stored one's if it is empty.
func (b *Base) OpenSound(ctx context.Context, id, contentType, name string) (StoredSound, error) {
	r := ExchangeOf(ctx).R
	sound := StoredSound{request: r, name: name}
	var err error
	if r.Method == http.MethodHead || strings.Contains(r.Header.Get("If-None-Match"), etag(id)) {
		if sound.audio, err = b.Sounds.Describe(ctx, id); err == nil {
			sound.content = unread{io.NewSectionReader(nil, 0, sound.audio.Bytes)}
		}
	} else {
		sound.content, sound.audio, err = b.Sounds.Open(ctx, CallerOf(ctx).Key, id)
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

// unread is sound of which only the size counts.
type unread struct{ *io.SectionReader }

func (unread) Close() error { return nil }

// StoredSound answers with stored sound, whole or in parts, and closes it.
type StoredSound struct {
	request *http.Request
	content io.ReadSeekCloser
	audio   library.Recording
	// name of the file that a browser saves, without an ending.
	name string
}

// Serve writes the answer.
func (s StoredSound) Serve(w http.ResponseWriter) error {
	defer s.content.Close()
	header, contentType := w.Header(), ContentTypeOf(s.audio)
	kind, _, _ := strings.Cut(contentType, ";")
	header.Set("Content-Type", contentType)
	// The bytes are whatever somebody stored: no browser shall run them as a page.
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": s.name + endings[kind]}))
	header.Set("ETag", etag(s.audio.ID))
	refusing := &refusalWriter{ResponseWriter: w}
	http.ServeContent(refusing, s.request, "", s.audio.Created, s.content)
	return refusing.fault()
}

// refusalWriter suppresses what http.ServeContent answers instead of content, which
// is answered as a problem.
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
			Message: "no part of the sound lies in the range asked for; Content-Range has its size",
		}
	case http.StatusPreconditionFailed:
		return &problem.HTTPError{
			Status: w.status, Slug: "precondition_failed", Title: "Precondition failed", Message: "the sound is not as the request's condition says",
		}
	}
	return services.Internal(errors.New(http.StatusText(w.status)), "the sound could not be read")
}
