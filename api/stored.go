package api

import (
	"context"
	"mime/multipart"

	"github.com/grym-synth/grym-synth/services"
)

// StoredAudio finds sound that the server keeps.
type StoredAudio interface {
	// StoredAudio gives a recording, until it is released; the fault is not found,
	// with the field audio_id. ctx bounds the use.
	StoredAudio(ctx context.Context, id string) (source services.AudioSource, release func(), err error)
}

// storedField names sound that the server keeps, in place of a file.
const storedField = "audio_id"

// find makes stored sound the sound of the request.
func (h *handlers) find(ctx context.Context, u *upload, id string) (err error) {
	if h.StoredAudio == nil {
		return services.Invalidf(storedField, "cannot be used: this server keeps no audio; send the file itself")
	}
	u.stored, u.release, err = h.StoredAudio.StoredAudio(ctx, id)
	return err
}

// receiveOrFind is receive where the recording may be one that the server keeps.
// The caller closes the upload, also after an error.
func (h *handlers) receiveOrFind(ctx context.Context, form *multipart.Reader, known []string) (*upload, error) {
	u, err := h.receiveForm(ctx, form, formShape{file: "file", optional: true, known: append([]string{storedField}, known...), maxField: maxFieldBytes})
	ids := u.fields[storedField]
	var fault *services.Fault
	switch {
	case len(ids) > 1:
		fault = services.Invalidf(storedField, "came %d times", len(ids))
	case len(ids) == 1 && u.file != nil:
		fault = services.Invalidf(storedField, "cannot be given beside a file")
	case len(ids) == 0 && u.file == nil:
		fault = services.Invalidf("file", "is missing; send the recording as form field file, as curl -F file=@sound.wav does, or name a stored one in audio_id")
	}
	if err := joinFields(err, fault); err != nil || len(ids) == 0 {
		return u, err
	}
	return u, h.find(ctx, u, ids[0])
}
