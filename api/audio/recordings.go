package audio

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Recordings stores recordings; library.Library implements it.
type Recordings interface {
	web.Sounds
	// Save stores a recording for the owner; created reports whether the owner had none.
	Save(ctx context.Context, in *library.Incoming, owner string) (recording library.Recording, created bool, err error)
	// List returns a page of the caller's recordings. An invalid cursor is an invalid field.
	List(ctx context.Context, caller services.Caller, limit int, cursor string) (records.Page[library.Recording], error)
	// Delete deletes a recording of the caller. It returns library.ErrInUse or a fault of
	// KindNotFound.
	Delete(ctx context.Context, caller services.Caller, id string) error
}

// Handlers serves the routes of audio.
type Handlers struct {
	*web.Base
	Recordings Recordings
}

// CreateAudio implements gen.StrictServerInterface.
func (h *Handlers) CreateAudio(ctx context.Context, request gen.CreateAudioRequestObject) (gen.CreateAudioResponseObject, error) {
	upload, err := h.receiveRecording(ctx, request)
	defer h.Discard(upload)
	if err != nil {
		return nil, err
	}
	if upload.Incoming.Size() == 0 {
		return nil, services.Invalidf("file", "is empty")
	}
	audio, created, err := h.Recordings.Save(ctx, upload.Incoming, web.CallerOf(ctx).Key)
	if err != nil {
		return nil, recordingFault(err)
	}
	view, location := recordingView(audio), new(web.AudioPath+"/"+audio.ID)
	if created {
		return gen.CreateAudio201JSONResponse{Body: view, Headers: gen.CreateAudio201ResponseHeaders{Location: location}}, nil
	}
	return gen.CreateAudio200JSONResponse{Body: view, Headers: gen.CreateAudio200ResponseHeaders{Location: location}}, nil
}

func recordingView(audio library.Recording) gen.Audio {
	return gen.Audio{
		Id: audio.ID, Object: gen.AudioObjectAudio, Name: web.Unless(audio.Name, ""), Size: audio.Bytes, Bytes: audio.Bytes,
		ContentType: web.ContentTypeOf(audio), Duration: web.Unless(audio.Duration, 0), SampleRate: web.Unless(audio.SampleRate, 0),
		Channels: web.Unless(audio.Channels, 0),
		Created:  audio.Created, LastUsed: audio.Used, Expires: web.UnlessZero(audio.Expires),
	}
}

// receiveRecording reads a recording from a form or as the whole body. The caller closes
// the upload, even after an error.
func (h *Handlers) receiveRecording(ctx context.Context, request gen.CreateAudioRequestObject) (*web.Upload, error) {
	if request.MultipartBody != nil {
		return h.ReceiveForm(ctx, request.MultipartBody, web.FormShape{File: "file", MaxField: web.MaxFieldBytes, Take: h.Take(ctx)})
	}
	kind, _, _ := mime.ParseMediaType(request.ContentType)
	if !web.IsSound(kind) && kind != web.AnyBytes {
		return &web.Upload{}, services.Faultf(services.KindUnsupported, "the body must be multipart/form-data, as curl -F file=@speech.wav "+
			"sends it, or a recording alone, as curl -H 'Content-Type: audio/wav' --data-binary @speech.wav sends it")
	}
	u := &web.Upload{Sent: request.ContentType}
	if err := h.Take(ctx)(u, web.ExchangeOf(ctx).R.Body); err != nil {
		return u, h.ReceiveFault(web.ARecording, err)
	}
	return u, nil
}

// ListAudio implements gen.StrictServerInterface.
func (h *Handlers) ListAudio(ctx context.Context, request gen.ListAudioRequestObject) (gen.ListAudioResponseObject, error) {
	limit := web.DefaultPage
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	page, err := h.Recordings.List(ctx, web.CallerOf(ctx), limit, web.Value(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	list := gen.AudioList{Data: make([]gen.Audio, 0, len(page.Data)), Next: web.Unless(page.Next, "")}
	for _, one := range page.Data {
		list.Data = append(list.Data, recordingView(one))
	}
	return gen.ListAudio200JSONResponse{Body: list}, nil
}

// GetAudio implements gen.StrictServerInterface.
func (h *Handlers) GetAudio(ctx context.Context, request gen.GetAudioRequestObject) (gen.GetAudioResponseObject, error) {
	sound, err := h.OpenSound(ctx, web.CallerOf(ctx), request.AudioId, "", request.AudioId[:12])
	return storedSound{sound}, err
}

// HeadAudio implements gen.StrictServerInterface.
func (h *Handlers) HeadAudio(ctx context.Context, request gen.HeadAudioRequestObject) (gen.HeadAudioResponseObject, error) {
	sound, err := h.OpenSound(ctx, web.CallerOf(ctx), request.AudioId, "", request.AudioId[:12])
	return storedSound{sound}, err
}

// DeleteAudio implements gen.StrictServerInterface.
func (h *Handlers) DeleteAudio(ctx context.Context, request gen.DeleteAudioRequestObject) (gen.DeleteAudioResponseObject, error) {
	if err := h.Recordings.Delete(ctx, web.CallerOf(ctx), request.AudioId); err != nil {
		return nil, recordingFault(err)
	}
	return gen.DeleteAudio204Response{}, nil
}

// storedSound is a response with a stored recording.
type storedSound struct{ web.StoredSound }

// VisitGetAudioResponse implements gen.GetAudioResponseObject.
func (s storedSound) VisitGetAudioResponse(w http.ResponseWriter) error { return s.Serve(w) }

// VisitHeadAudioResponse implements gen.HeadAudioResponseObject.
func (s storedSound) VisitHeadAudioResponse(w http.ResponseWriter) error { return s.Serve(w) }

// recordingFault returns the response for an error of the library; other errors are
// returned unchanged.
func recordingFault(err error) error {
	if !errors.Is(err, library.ErrInUse) {
		return err
	}
	answer := &problem.HTTPError{
		Status: http.StatusConflict, Slug: "audio_in_use", Title: "Recording in use",
		Message: "the recording is needed by an unfinished job, a conversation or a pattern",
	}
	var fault *services.Fault
	if errors.As(err, &fault) {
		answer.Message, answer.Fields, answer.RetryAfter = fault.Detail(), fault.Fields, fault.RetryAfter
	}
	return answer
}
