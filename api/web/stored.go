package web

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

// StoredField names sound that the server keeps, in place of a file.
const StoredField = "audio_id"

// Find makes stored sound the sound of the request.
func (b *Base) Find(ctx context.Context, u *Upload, id string) (err error) {
	if b.StoredAudio == nil {
		return services.Invalidf(StoredField, "cannot be used: this server keeps no audio; send the file itself")
	}
	u.stored, u.release, err = b.StoredAudio.StoredAudio(ctx, id)
	return err
}

// ReceiveOrFind is Receive where the recording may be one that the server keeps.
// The caller closes the upload, also after an error.
func (b *Base) ReceiveOrFind(ctx context.Context, form *multipart.Reader, known []string) (*Upload, error) {
	u, err := b.ReceiveForm(ctx, form, FormShape{
		File: fileField, Optional: true, Known: append([]string{StoredField}, known...), MaxField: MaxFieldBytes,
	})
	ids := u.Fields[StoredField]
	var fault *services.Fault
	switch {
	case len(ids) > 1:
		fault = services.Invalidf(StoredField, "came %d times", len(ids))
	case len(ids) == 1 && u.file != nil:
		fault = services.Invalidf(StoredField, "cannot be given beside a file")
	case len(ids) == 0 && u.file == nil:
		fault = services.Invalidf(fileField, "is missing; send the recording as form field file, as curl -F file=@sound.wav does, "+
			"or name a stored one in audio_id")
	}
	if err := Join(err, fault); err != nil || len(ids) == 0 {
		return u, err
	}
	return u, b.Find(ctx, u, ids[0])
}
