package web

import (
	"context"
	"mime/multipart"

	"github.com/grym-synth/grym-synth/services"
)

// StoredAudio finds stored recordings.
type StoredAudio interface {
	// StoredAudio returns a recording of the caller, which must be released, or a fault of
	// KindNotFound with the field audio_id. ctx limits its use.
	StoredAudio(ctx context.Context, caller services.Caller, id string) (source services.AudioSource, release func(), err error)
}

// StoredField is the field with the id of a stored recording, which replaces a file.
const StoredField = "audio_id"

// Find uses a stored recording as the audio of the request.
func (b *Base) Find(ctx context.Context, u *Upload, id string) (err error) {
	if b.StoredAudio == nil {
		return services.Invalidf(StoredField, "is not supported: this server stores no audio; send the file itself")
	}
	u.stored, u.release, err = b.StoredAudio.StoredAudio(ctx, CallerOf(ctx), id)
	return err
}

// ReceiveOrFind is Receive for a form in which a stored recording may replace the file. The
// caller closes the upload, even after an error.
func (b *Base) ReceiveOrFind(ctx context.Context, form *multipart.Reader, known []string) (*Upload, error) {
	u, err := b.ReceiveForm(ctx, form, FormShape{
		File: fileField, Optional: true, Known: append([]string{StoredField}, known...), MaxField: MaxFieldBytes,
	})
	ids := u.Fields[StoredField]
	var fault *services.Fault
	switch {
	case len(ids) > 1:
		fault = services.Invalidf(StoredField, "must not be repeated, got %d values", len(ids))
	case len(ids) == 1 && u.file != nil:
		fault = services.Invalidf(StoredField, "cannot be combined with a file")
	case len(ids) == 0 && u.file == nil:
		fault = services.Invalidf(fileField, "is missing; send the recording as form field file, as curl -F file=@sound.wav does, "+
			"or name a stored one in audio_id")
	}
	if err := Join(err, fault); err != nil || len(ids) == 0 {
		return u, err
	}
	return u, b.Find(ctx, u, ids[0])
}
