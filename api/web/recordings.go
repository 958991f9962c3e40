package web

import (
	"context"
	"errors"
	"io"
	"mime/multipart"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// span is a stored recording, as the parameters of tasks name one.
type span struct {
	AudioID string `json:"audio_id"`
}

// Saver stores recordings that were received; library.Library implements it.
type Saver interface {
	// Save stores a recording for the owner.
	Save(ctx context.Context, in *library.Incoming, owner string) (recording library.Recording, created bool, err error)
}

// receiverOf returns what receives the form of a route whose files are stored.
func (b *Base) receiverOf(route *Route) func(context.Context, *multipart.Reader, []string) (*Upload, error) {
	shape := FormShape{Optional: true, MaxField: MaxFieldBytes, Most: make(map[string]int)}
	for name, one := range route.form {
		if one.kind == kindRecordings {
			shape.Most[name] = one.most
		}
	}
	return func(ctx context.Context, form *multipart.Reader, known []string) (*Upload, error) {
		shape := shape
		shape.Known = known
		shape.Store = func(u *Upload, field string, part io.Reader) error { return b.store(ctx, u, field, part) }
		return b.ReceiveForm(ctx, form, shape)
	}
}

// store stores a file of a form as a recording of the caller.
func (b *Base) store(ctx context.Context, u *Upload, field string, part io.Reader) error {
	saver, ok := b.Sounds.(Saver)
	if !ok {
		return services.Invalidf(field, "is not supported: this server stores no audio")
	}
	owner := CallerOf(ctx).Key
	in, err := b.Sounds.Receive(ctx, part, library.About{Owner: owner, Name: u.Name})
	if err != nil {
		return err
	}
	if in.Size() == 0 {
		return errors.Join(services.Invalidf(field, "has an empty file"), in.Discard(ctx))
	}
	in.ContentType = contentType(in.Head(), u.Sent)
	saved, _, err := saver.Save(ctx, in, owner)
	if err != nil {
		return err
	}
	if u.recordings == nil {
		u.recordings = make(map[string][]span)
	}
	u.recordings[field] = append(u.recordings[field], span{saved.ID})
	return nil
}
