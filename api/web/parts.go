package web

import (
	"context"
	"io"
	"mime/multipart"

	"github.com/grym-synth/grym-synth/orchestrator/library"
)

// Part is a part of a form with any number of files.
type Part struct {
	// Field is the name of the field, without [] or a number in brackets; File that of the
	// file.
	Field, File string
	Body        io.Reader
	// sent is the content type.
	sent string
}

// ReceiveParts calls receive with each part of a form, in the order in which they come.
func (b *Base) ReceiveParts(ctx context.Context, form *multipart.Reader, receive func(Part) error) error {
	return b.eachPart(ctx, form, func(part *multipart.Part) error {
		sent, file := partNames(part.Header)
		one := Part{Field: sent, File: file, Body: partBody(part), sent: part.Header.Get("Content-Type")}
		if field, key := splitField(sent); key == "" {
			one.Field = field
		}
		return receive(one)
	})
}

// TakePart stores the recording of a part. The caller saves or discards it.
func (b *Base) TakePart(ctx context.Context, part Part) (*library.Incoming, error) {
	u := &Upload{Sent: part.sent, Name: part.File}
	err := b.TakeBytes(ctx, 0)(u, part.Body)
	return u.Incoming, err
}

// ReadField reads the value of a part of at most limit bytes and reports whether there are
// more.
func (p Part) ReadField(limit int) (value string, cut bool, err error) {
	return readField(p.Body, limit)
}
