package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// maxFieldBytes bounds a form field that is not a file.
const maxFieldBytes = 64 << 10

// upload is a form that has been received: its fields in memory, its file on
// disk, or sound that the server keeps in its place. Close removes the file.
type upload struct {
	fields map[string][]string
	file   *spooledFile
	// incoming is the recording in place of a file if the route stores it.
	incoming *library.Incoming
	// warnings report what of the form was ignored.
	warnings []services.Warning
	// sent is the content type that came with the file, name its name.
	sent, name string
	// stored is sound that the server keeps, until release is called; else nil.
	stored  services.AudioSource
	release func()
}

// spooledFile is an upload on disk; it can be opened as often as needed.
type spooledFile struct {
	path string
	size int64
}

// Open implements services.AudioSource.
func (f *spooledFile) Open() (io.ReadSeekCloser, error) { return os.Open(f.path) }

// Size implements services.AudioSource.
func (f *spooledFile) Size() int64 { return f.size }

// Close removes the file.
func (u *upload) Close() error {
	if u.release != nil {
		u.release()
	}
	if u.incoming != nil {
		return u.incoming.Discard(context.Background())
	}
	if u.file == nil {
		return nil
	}
	return os.Remove(u.file.path)
}

// isReceived reports whether a recording came.
func (u *upload) isReceived() bool { return u.file != nil || u.incoming != nil }

// audio is the sound of the request, nil where there is none.
func (u *upload) audio() services.AudioSource {
	if u.stored != nil {
		return u.stored
	}
	if u.file == nil {
		return nil
	}
	return u.file
}

// formShape says what a form may hold.
type formShape struct {
	// file is the field with the recording; optional tells that it may be left out.
	file     string
	optional bool
	// known are the other fields, each of at most maxField bytes. lenient ignores all
	// others, with a warning, as clients of OpenAI expect.
	known    []string
	maxField int
	lenient  bool
	// take receives the recording; nil writes it to the spool.
	take func(u *upload, part io.Reader) error
}

// receive reads a form with a recording in the field "file", and only the other
// fields named. The caller closes the upload, also after an error.
func (h *handlers) receive(ctx context.Context, form *multipart.Reader, known []string) (*upload, error) {
	return h.receiveForm(ctx, form, formShape{file: "file", known: known, maxField: maxFieldBytes})
}

// receiveForm reads a form with at most one file; the fields may come in any
// order. Every bad field is told in one fault. The caller closes the upload, also
// after an error.
func (h *handlers) receiveForm(ctx context.Context, form *multipart.Reader, shape formShape) (*upload, error) {
	u := &upload{fields: make(map[string][]string)}
	bad := &services.Fault{Kind: services.KindInvalid}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = h.receivePart(u, part, shape, bad)
		}
		if err != nil {
			// The reader of forms can hide why the body ended under a complaint about a half
			// line; the body keeps its error.
			_, cause := exchangeOf(ctx).r.Body.Read(nil)
			return u, h.receiveFault(aForm, errors.Join(err, cause))
		}
	}
	// The server notices a hang-up only once it has read the body to its end.
	if _, err := io.Copy(io.Discard, exchangeOf(ctx).r.Body); err != nil {
		return u, h.receiveFault(aForm, err)
	}
	if !u.isReceived() && !shape.optional {
		bad.Fields = append(bad.Fields, services.FieldError{Field: shape.file, Problem: fmt.Sprintf("is missing; send the recording as form field %s, as curl -F %[1]s=@speech.wav does", shape.file)})
	}
	if len(bad.Fields) > 0 {
		return u, bad
	}
	return u, nil
}

func (h *handlers) receivePart(u *upload, part *multipart.Part, shape formShape, bad *services.Fault) error {
	defer part.Close()
	name := part.FormName()
	complain := func(format string, args ...any) {
		bad.Fields = append(bad.Fields, services.FieldError{Field: name, Problem: fmt.Sprintf(format, args...)})
	}
	switch {
	case name == shape.file && u.isReceived():
		complain("came twice; one recording a request")
	case name == shape.file:
		u.sent, u.name = part.Header.Get("Content-Type"), part.FileName()
		if shape.take != nil {
			return shape.take(u, part)
		}
		return h.spool(u, part)
	case refusedFields[name] != "":
		complain("%s", refusedFields[name])
	case !slices.Contains(shape.known, name) && shape.lenient:
		u.ignore(name)
	case !slices.Contains(shape.known, name):
		complain("is not known; the fields are %s", strings.Join(append([]string{shape.file}, shape.known...), ", "))
	default:
		value, err := io.ReadAll(io.LimitReader(part, int64(shape.maxField)+1))
		if err != nil {
			return err
		}
		if len(value) > shape.maxField {
			complain("has more than %d bytes", shape.maxField)
			return nil
		}
		u.fields[name] = append(u.fields[name], string(value))
	}
	return nil
}

// spool writes the file to disk, so that memory does not grow with it.
func (h *handlers) spool(u *upload, part io.Reader) error {
	file, err := os.CreateTemp(h.SpoolDir, "upload-*")
	if err != nil {
		return &spoolError{err}
	}
	u.file = &spooledFile{path: file.Name()}
	u.file.size, err = io.Copy(spoolWriter{file}, part)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = &spoolError{closeErr}
	}
	return err
}

// spoolWriter tells a full disk from a client that stopped sending.
type spoolWriter struct{ file *os.File }

func (s spoolWriter) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if err != nil {
		err = &spoolError{err}
	}
	return n, err
}

type spoolError struct{ err error }

func (e *spoolError) Error() string { return e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

// receiveFault explains why a body, a form or a recording, could not be received.
func (h *handlers) receiveFault(of string, err error) error {
	var tooLarge *http.MaxBytesError
	var spool *spoolError
	var fault *services.Fault
	switch {
	case errors.As(err, &tooLarge):
		return h.uploadLimit(of).fault(err)
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &spool):
		return &services.Fault{Kind: services.KindUnavailable, Message: "the upload could not be stored", RetryAfter: 10 * time.Second, Err: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &services.Fault{Kind: services.KindInvalid, Message: h.tooSlow(), Err: err}
	default:
		message := "the form breaks off or is malformed"
		if of == aRecording {
			message = "the recording breaks off"
		}
		return &services.Fault{Kind: services.KindInvalid, Message: message, Err: err}
	}
}

// tooSlow explains why a body was cut off.
func (h *handlers) tooSlow() string {
	return fmt.Sprintf("the body came too slowly: it may take %s, and for that %s and a second for each %s", h.cfg.UploadTimeout, h.cfg.HeaderTimeout, h.cfg.MinUploadRate)
}
