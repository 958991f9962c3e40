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

// storedFile is a file of a form. created is set once it has been stored and its owner did
// not have it before.
type storedFile struct {
	in      *library.Incoming
	created bool
}

// Saver stores recordings that were received; library.Library implements it.
type Saver interface {
	// Save stores a recording for the owner; created reports whether the owner had none.
	Save(ctx context.Context, in *library.Incoming, owner string) (recording library.Recording, created bool, err error)
	// Delete deletes a recording of the caller.
	Delete(ctx context.Context, caller services.Caller, id string) error
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
		shape.Store = func(u *Upload, field string, part io.Reader) error { return b.receiveFile(ctx, u, field, part) }
		return b.ReceiveForm(ctx, form, shape)
	}
}

// receiveFile receives a file that is stored when the form is valid.
func (b *Base) receiveFile(ctx context.Context, u *Upload, field string, part io.Reader) error {
	in, err := b.Sounds.Receive(ctx, part, library.About{Owner: CallerOf(ctx).Key, Name: u.Name})
	if err != nil {
		return err
	}
	if u.files == nil {
		u.files = make(map[string][]storedFile)
	}
	in.ContentType = contentType(in.Head(), u.Sent)
	u.files[field] = append(u.files[field], storedFile{in: in})
	if in.Size() == 0 {
		return services.Invalidf(field, "has an empty file")
	}
	return nil
}

// saveFiles stores the files of a form, and adds their spans to the parameters.
func (b *Base) saveFiles(ctx context.Context, got asked) error {
	for field, list := range got.upload.files {
		saver, ok := b.Sounds.(Saver)
		if !ok {
			return services.Invalidf(field, "is not supported: this server stores no audio")
		}
		var spans []span
		for i := range list {
			saved, created, err := saver.Save(ctx, list[i].in, CallerOf(ctx).Key)
			list[i].created = created && err == nil
			if err != nil {
				return err
			}
			spans = append(spans, span{saved.ID})
		}
		got.params[field] = spans
	}
	return nil
}

// forgetFiles deletes the files that were stored for a task that has failed.
func (b *Base) forgetFiles(ctx context.Context, u *Upload) {
	for _, list := range u.files {
		for i, file := range list {
			saver, ok := b.Sounds.(Saver)
			if !ok || !file.created {
				continue
			}
			list[i].created = false
			if err := saver.Delete(context.WithoutCancel(ctx), CallerOf(ctx), file.in.ID); err != nil {
				b.Log.Warn("a recording of a failed request stays until it expires", "audio", file.in.ID, "error", err)
			}
		}
	}
}

// retainFiles leaves the stored files, which the result of the task needs.
func (u *Upload) retainFiles() {
	for _, list := range u.files {
		for i := range list {
			list[i].created = false
		}
	}
}

// discardFiles removes the files that were not stored.
func (u *Upload) discardFiles() (err error) {
	for _, list := range u.files {
		for _, file := range list {
			err = errors.Join(err, file.in.Discard(context.Background()))
		}
	}
	return err
}
