package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// audioPath is where recordings are stored; a body may be one.
const audioPath = "/v1/audio"

// CreateAudio implements gen.StrictServerInterface.
func (h *handlers) CreateAudio(ctx context.Context, request gen.CreateAudioRequestObject) (gen.CreateAudioResponseObject, error) {
	upload, err := h.receiveRecording(ctx, request)
	defer func() {
		if err := upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}()
	if err != nil {
		return nil, err
	}
	if upload.file.size == 0 {
		return nil, services.Invalidf("file", "is empty")
	}
	audio, created, err := h.Jobs.StoreAudio(ctx, jobs.Upload{Audio: upload.file, ContentType: upload.contentType()})
	if err != nil {
		return nil, jobFault(err)
	}
	view := gen.Audio{
		Id: audio.ID, Object: gen.AudioObjectAudio, Bytes: audio.Bytes, ContentType: contentTypeOf(audio),
		Created: audio.Created, LastUsed: audio.Used, Expires: unlessZero(audio.Expires),
	}
	location := new(audioPath + "/" + audio.ID)
	if created {
		return gen.CreateAudio201JSONResponse{Body: view, Headers: gen.CreateAudio201ResponseHeaders{Location: location}}, nil
	}
	return gen.CreateAudio200JSONResponse{Body: view, Headers: gen.CreateAudio200ResponseHeaders{Location: location}}, nil
}

// receiveRecording takes a recording from a form or alone. The caller closes the
// upload, also after an error.
func (h *handlers) receiveRecording(ctx context.Context, request gen.CreateAudioRequestObject) (*upload, error) {
	if request.MultipartBody != nil {
		return h.receive(ctx, request.MultipartBody, nil)
	}
	kind, _, _ := mime.ParseMediaType(request.ContentType)
	if !isSound(kind) && kind != anyBytes {
		return &upload{}, services.Faultf(services.KindUnsupported, "the body must be multipart/form-data, as curl -F file=@speech.wav sends it, or a recording alone, as curl -H 'Content-Type: audio/wav' --data-binary @speech.wav sends it")
	}
	u := &upload{sent: request.ContentType}
	if err := h.spool(u, exchangeOf(ctx).r.Body); err != nil {
		return u, h.receiveFault(aRecording, err)
	}
	return u, nil
}

// GetAudio implements gen.StrictServerInterface.
func (h *handlers) GetAudio(ctx context.Context, request gen.GetAudioRequestObject) (gen.GetAudioResponseObject, error) {
	return h.openSound(ctx, request.AudioId, "", request.AudioId[:12])
}

// HeadAudio implements gen.StrictServerInterface.
func (h *handlers) HeadAudio(ctx context.Context, request gen.HeadAudioRequestObject) (gen.HeadAudioResponseObject, error) {
	return h.openSound(ctx, request.AudioId, "", request.AudioId[:12])
}

// DeleteAudio implements gen.StrictServerInterface.
func (h *handlers) DeleteAudio(ctx context.Context, request gen.DeleteAudioRequestObject) (gen.DeleteAudioResponseObject, error) {
	if err := h.Jobs.DeleteAudio(ctx, request.AudioId); err != nil {
		return nil, jobFault(err)
	}
	return gen.DeleteAudio204Response{}, nil
}

// openSound opens stored sound for the answer to a request, where that is to hold
// any of it: the store copies what it opens. The content type is the stored one's
// where it is empty.
func (h *handlers) openSound(ctx context.Context, id, contentType, name string) (storedSound, error) {
	r := exchangeOf(ctx).r
	sound := storedSound{request: r, name: name}
	var err error
	if r.Method == http.MethodHead || strings.Contains(r.Header.Get("If-None-Match"), etag(id)) {
		if sound.audio, err = h.Jobs.Audio(ctx, id); err == nil {
			sound.content = unread{io.NewSectionReader(nil, 0, sound.audio.Bytes)}
		}
	} else {
		sound.content, sound.audio, err = h.Jobs.OpenAudio(ctx, id)
	}
	if err != nil {
		return storedSound{}, jobFault(err)
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

// storedSound answers with stored sound, whole or in parts, and closes it.
type storedSound struct {
	request *http.Request
	content io.ReadSeekCloser
	audio   jobs.Audio
	// name of the file that a browser saves, without an ending.
	name string
}

// VisitGetAudioResponse implements gen.GetAudioResponseObject.
func (s storedSound) VisitGetAudioResponse(w http.ResponseWriter) error { return s.serve(w) }

// VisitHeadAudioResponse implements gen.HeadAudioResponseObject.
func (s storedSound) VisitHeadAudioResponse(w http.ResponseWriter) error { return s.serve(w) }

// VisitGetJobResultResponse implements gen.GetJobResultResponseObject.
func (s storedSound) VisitGetJobResultResponse(w http.ResponseWriter) error { return s.serve(w) }

func (s storedSound) serve(w http.ResponseWriter) error {
	defer s.content.Close()
	header, contentType := w.Header(), contentTypeOf(s.audio)
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

// refusalWriter keeps back what http.ServeContent answers instead of content, so
// that it is told as a problem.
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
		return &problem.HTTPError{Status: w.status, Slug: "range_not_satisfiable", Title: "Range not satisfiable", Message: "no part of the sound lies in the range asked for; Content-Range tells its size"}
	case http.StatusPreconditionFailed:
		return &problem.HTTPError{Status: w.status, Slug: "precondition_failed", Title: "Precondition failed", Message: "the sound is not as the request's condition says"}
	}
	return services.Internal(errors.New(http.StatusText(w.status)), "the sound could not be read")
}
