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
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// audioPath is where recordings are stored; a body may be one.
const audioPath = "/v1/audio"

// Recordings stores recordings; library.Library implements it.
type Recordings interface {
	// Receive stores a recording while it is read; it is saved or discarded then.
	Receive(ctx context.Context, r io.Reader, about library.About) (*library.Incoming, error)
	// Save makes a recording the owner's; created reports whether it is new.
	Save(ctx context.Context, in *library.Incoming, owner string) (recording library.Recording, created bool, err error)
	// List returns a page of the owner's recordings; a bad cursor is an invalid field.
	List(ctx context.Context, owner string, limit int, cursor string) (records.Page[library.Listed], error)
	// Describe returns a recording's description; the fault is not found.
	Describe(ctx context.Context, id string) (library.Recording, error)
	// Open returns the bytes of a recording; the caller closes them.
	Open(ctx context.Context, owner, id string) (io.ReadSeekCloser, library.Recording, error)
	// Delete removes a recording; library.ErrInUse, and the fault not found.
	Delete(ctx context.Context, id string) error
}

// take returns what receives a recording of a request's body into the library.
func (h *handlers) take(ctx context.Context) func(u *upload, r io.Reader) error {
	return h.takeBytes(ctx, max(0, exchangeOf(ctx).r.ContentLength))
}

// takeBytes is take for so many bytes at the most; zero if that is not known.
func (h *handlers) takeBytes(ctx context.Context, bytes int64) func(u *upload, r io.Reader) error {
	return func(u *upload, r io.Reader) (err error) {
		u.incoming, err = h.Recordings.Receive(ctx, r, library.About{Name: u.name, Bytes: bytes})
		if err == nil {
			u.incoming.ContentType = contentType(u.incoming.Head(), u.sent)
		}
		return err
	}
}

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
	if upload.incoming.Size() == 0 {
		return nil, services.Invalidf("file", "is empty")
	}
	audio, created, err := h.Recordings.Save(ctx, upload.incoming, h.caller(ctx).Key)
	if err != nil {
		return nil, jobFault(err)
	}
	view, location := recordingView(audio), new(audioPath+"/"+audio.ID)
	if created {
		return gen.CreateAudio201JSONResponse{Body: view, Headers: gen.CreateAudio201ResponseHeaders{Location: location}}, nil
	}
	return gen.CreateAudio200JSONResponse{Body: view, Headers: gen.CreateAudio200ResponseHeaders{Location: location}}, nil
}

func recordingView(audio library.Recording) gen.Audio {
	return gen.Audio{
		Id: audio.ID, Object: gen.AudioObjectAudio, Bytes: audio.Bytes, ContentType: contentTypeOf(audio),
		Created: audio.Created, LastUsed: audio.Used, Expires: unlessZero(audio.Expires),
	}
}

// receiveRecording takes a recording from a form or alone. The caller closes the
// upload, also after an error.
func (h *handlers) receiveRecording(ctx context.Context, request gen.CreateAudioRequestObject) (*upload, error) {
	if request.MultipartBody != nil {
		return h.receiveForm(ctx, request.MultipartBody, formShape{file: "file", maxField: maxFieldBytes, take: h.take(ctx)})
	}
	kind, _, _ := mime.ParseMediaType(request.ContentType)
	if !isSound(kind) && kind != anyBytes {
		return &upload{}, services.Faultf(services.KindUnsupported, "the body must be multipart/form-data, as curl -F file=@speech.wav sends it, or a recording alone, as curl -H 'Content-Type: audio/wav' --data-binary @speech.wav sends it")
	}
	u := &upload{sent: request.ContentType}
	if err := h.take(ctx)(u, exchangeOf(ctx).r.Body); err != nil {
		return u, h.receiveFault(aRecording, err)
	}
	return u, nil
}

// ListAudio implements gen.StrictServerInterface.
func (h *handlers) ListAudio(ctx context.Context, request gen.ListAudioRequestObject) (gen.ListAudioResponseObject, error) {
	limit := defaultPage
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	page, err := h.Recordings.List(ctx, h.caller(ctx).Key, limit, value(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	list := gen.AudioList{Data: make([]gen.Audio, 0, len(page.Data)), Next: unless(page.Next, "")}
	for _, one := range page.Data {
		view := recordingView(one.Recording)
		view.Filename = unless(one.Name, "")
		list.Data = append(list.Data, view)
	}
	return gen.ListAudio200JSONResponse{Body: list}, nil
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
	if err := h.Recordings.Delete(ctx, request.AudioId); err != nil {
		return nil, jobFault(err)
	}
	return gen.DeleteAudio204Response{}, nil
}

// openSound opens stored sound for the answer to a request; nothing is read of it
// if the answer has no body. The content type is the stored one's if it is empty.
func (h *handlers) openSound(ctx context.Context, id, contentType, name string) (storedSound, error) {
	r := exchangeOf(ctx).r
	sound := storedSound{request: r, name: name}
	var err error
	if r.Method == http.MethodHead || strings.Contains(r.Header.Get("If-None-Match"), etag(id)) {
		if sound.audio, err = h.Recordings.Describe(ctx, id); err == nil {
			sound.content = unread{io.NewSectionReader(nil, 0, sound.audio.Bytes)}
		}
	} else {
		sound.content, sound.audio, err = h.Recordings.Open(ctx, h.caller(ctx).Key, id)
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
	audio   library.Recording
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
		return &problem.HTTPError{Status: w.status, Slug: "range_not_satisfiable", Title: "Range not satisfiable", Message: "no part of the sound lies in the range asked for; Content-Range has its size"}
	case http.StatusPreconditionFailed:
		return &problem.HTTPError{Status: w.status, Slug: "precondition_failed", Title: "Precondition failed", Message: "the sound is not as the request's condition says"}
	}
	return services.Internal(errors.New(http.StatusText(w.status)), "the sound could not be read")
}
