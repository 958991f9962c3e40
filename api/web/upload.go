package web

import (
	"context"
	"encoding/base64"
	"errors"
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

// MaxFieldBytes limits a form field that is not a file.
const MaxFieldBytes = 64 << 10

// Upload is a received form: its fields in memory, its file on disk, or a stored recording
// instead. Close removes the file.
type Upload struct {
	// Fields are the values by the name of the field; x, x[] and x[0] are one field.
	Fields map[string][]string
	// names are those that the client sent, where they differ.
	names map[string]string
	file  *spooledFile
	// Incoming is the recording instead of a file if the route stores it.
	Incoming *library.Incoming
	// Warnings are the ignored parts of the form.
	Warnings []services.Warning
	// Sent is the content type of the file, Name its name.
	Sent, Name string
	// files are those of the fields that are stored as recordings.
	files map[string][]storedFile
	// stored is a stored recording, valid until release is called; nil if there is none.
	stored  services.AudioSource
	release func()
}

// spooledFile is an upload on disk. It can be opened any number of times.
type spooledFile struct {
	path string
	size int64
}

// Open implements services.AudioSource.
func (f *spooledFile) Open() (io.ReadSeekCloser, error) { return os.Open(f.path) }

// Size implements services.AudioSource.
func (f *spooledFile) Size() int64 { return f.size }

// Discard closes an upload and logs errors.
func (b *Base) Discard(u *Upload) {
	if err := u.Close(); err != nil {
		b.Log.Error("upload could not be removed", "error", err)
	}
}

// Move returns the upload and clears u, for a response that reads it after its handler has
// returned.
func (u *Upload) Move() *Upload {
	moved := *u
	*u = Upload{}
	return &moved
}

// Close removes the file.
func (u *Upload) Close() error {
	if u.release != nil {
		u.release()
	}
	err := u.discardFiles()
	if u.Incoming != nil {
		return errors.Join(err, u.Incoming.Discard(context.Background()))
	}
	if u.file == nil {
		return err
	}
	return errors.Join(err, os.Remove(u.file.path))
}

// IsReceived reports whether a recording was received.
func (u *Upload) IsReceived() bool { return u.file != nil || u.Incoming != nil }

// Audio returns the audio of the request, or nil.
func (u *Upload) Audio() services.AudioSource {
	if u.stored != nil {
		return u.stored
	}
	if u.file == nil {
		return nil
	}
	return u.file
}

// FormShape describes the fields of a form.
type FormShape struct {
	// File is the field with the recording; Optional is set if it may be missing.
	File     string
	Optional bool
	// Known are the other fields, each of at most MaxField bytes. Lenient ignores all others
	// with a warning, as OpenAI's clients expect.
	Known    []string
	MaxField int
	Lenient  bool
	// Objects are known fields whose values may be sent one by one, as x[key]. Tails are
	// those of which the end is used if they are too long.
	Objects, Tails []string
	// Take receives the recording; nil writes it to the spool.
	Take func(u *Upload, part io.Reader) error
	// Store receives the files of further fields, at most Most of each; nil for none.
	Store func(u *Upload, field string, part io.Reader) error
	Most  map[string]int
}

// ReceiveForm reads a form with at most one file; the fields may be in any order. All
// invalid fields are reported in one fault. The caller closes the upload, even after an
// error.
func (b *Base) ReceiveForm(ctx context.Context, form *multipart.Reader, shape FormShape) (*Upload, error) {
	u := &Upload{Fields: make(map[string][]string), names: make(map[string]string)}
	var bad services.Complaints
	if err := b.eachPart(ctx, form, func(part *multipart.Part) error { return b.receivePart(u, part, shape, &bad) }); err != nil {
		return u, err
	}
	if !u.IsReceived() && !shape.Optional {
		bad.Complain(shape.File, "is missing; send the recording as form field %s, for example with curl -F %[1]s=@speech.wav", shape.File)
	}
	if fault := bad.Fault(); fault != nil {
		return u, fault
	}
	return u, nil
}

// eachPart calls receive with each part of a form.
func (b *Base) eachPart(ctx context.Context, form *multipart.Reader, receive func(*multipart.Part) error) error {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = errors.Join(receive(part), part.Close())
		}
		if err != nil {
			// multipart.Reader can hide the error of the body behind its own; the body
			// returns it again.
			_, cause := ExchangeOf(ctx).R.Body.Read(nil)
			return b.ReceiveFault(AForm, errors.Join(err, cause))
		}
	}
	// net/http detects that the client has left only after the body has been read.
	if _, err := io.Copy(io.Discard, ExchangeOf(ctx).R.Body); err != nil {
		return b.ReceiveFault(AForm, err)
	}
	return nil
}

func (b *Base) receivePart(u *Upload, part *multipart.Part, shape FormShape, bad *services.Complaints) error {
	sent, file := partNames(part.Header)
	name, key := splitField(sent)
	body := partBody(part)
	complain := func(format string, args ...any) {
		bad.Complain(sent, format, args...)
	}
	known := slices.Contains(shape.Known, name) && (key == "" || slices.Contains(shape.Objects, name))
	_, stores := shape.Most[name]
	switch {
	case stores && len(u.files[name]) >= shape.Most[name]:
		complain("must have at most %d files", shape.Most[name])
	case stores:
		u.Sent, u.Name = part.Header.Get("Content-Type"), file
		return shape.Store(u, name, body)
	case name == shape.File && key == "" && u.IsReceived():
		complain("must not be repeated; a request has one recording")
	case name == shape.File && key == "":
		u.Sent, u.Name = part.Header.Get("Content-Type"), file
		if shape.Take != nil {
			return shape.Take(u, body)
		}
		return b.Spool(u, body)
	case !known && shape.Lenient:
		u.ignore(sent)
	case !known:
		complain("is not a field of this form; the fields are %s", strings.Join(shape.fields(), ", "))
	default:
		return u.receiveField(sent, body, shape, complain)
	}
	return nil
}

// fields returns the names of all fields.
func (s FormShape) fields() []string {
	if s.File == "" {
		return s.Known
	}
	return append([]string{s.File}, s.Known...)
}

// receiveField reads the value of a known field.
func (u *Upload) receiveField(sent string, body io.Reader, shape FormShape, complain func(format string, args ...any)) error {
	name, key := splitField(sent)
	read := readField
	if slices.Contains(shape.Tails, name) {
		read = readTail
	}
	value, cut, err := read(body, shape.MaxField)
	switch {
	case err != nil:
		return err
	case cut && !slices.Contains(shape.Tails, name):
		complain("has more than %d bytes", shape.MaxField)
		return nil
	case shape.Lenient && (value == "null" || value == "undefined"):
		return nil // a script's missing value
	}
	if key != "" {
		name += "[" + key + "]"
	}
	if name != sent {
		u.names[name] = sent
	}
	u.Fields[name] = append(u.Fields[name], value)
	return nil
}

// readField reads a value of at most limit bytes and reports whether there are more.
func readField(r io.Reader, limit int) (value string, cut bool, err error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	return string(text), len(text) > limit, err
}

// readTail returns the last limit bytes of a value and reports whether there are more.
func readTail(r io.Reader, limit int) (value string, cut bool, err error) {
	tail, block := []byte(nil), make([]byte, 4096)
	for {
		n, err := r.Read(block)
		tail = append(tail, block[:n]...)
		if len(tail) > limit {
			cut = true
			tail = tail[:copy(tail, tail[len(tail)-limit:])]
		}
		if errors.Is(err, io.EOF) {
			return string(tail), cut, nil
		}
		if err != nil {
			return "", false, err
		}
	}
}

// partBody returns the content of a part; some clients send it as base64.
func partBody(part *multipart.Part) io.Reader {
	if strings.EqualFold(strings.TrimSpace(part.Header.Get("Content-Transfer-Encoding")), "base64") {
		return base64.NewDecoder(base64.StdEncoding, part)
	}
	return part
}

// Spool writes the file to disk, so that memory use does not grow with its size.
func (b *Base) Spool(u *Upload, part io.Reader) error {
	file, err := os.CreateTemp(b.SpoolDir, "upload-*")
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

// spoolWriter distinguishes disk errors from errors of the client's connection.
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

// ReceiveFault returns the fault of a form or recording that could not be received.
func (b *Base) ReceiveFault(of string, err error) error {
	var tooLarge *http.MaxBytesError
	var spool *spoolError
	var fault *services.Fault
	switch {
	case errors.As(err, &tooLarge):
		return b.Limits.Upload(of).Fault(err)
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &spool):
		fault := services.Unstored(err, services.KindUnavailable, "the upload could not be stored")
		fault.RetryAfter = 10 * time.Second
		return fault
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &services.Fault{Kind: services.KindInvalid, Message: b.Limits.TooSlow(), Err: err}
	default:
		message := "the form is malformed or incomplete"
		if of == ARecording {
			message = "the recording is incomplete"
		}
		return &services.Fault{Kind: services.KindInvalid, Message: message, Err: err}
	}
}

// Take returns a function that stores the recording of a request in the library.
func (b *Base) Take(ctx context.Context) func(u *Upload, r io.Reader) error {
	return b.TakeBytes(ctx, max(0, ExchangeOf(ctx).R.ContentLength))
}

// TakeBytes is Take for a recording of at most bytes; 0 if the size is not known.
func (b *Base) TakeBytes(ctx context.Context, bytes int64) func(u *Upload, r io.Reader) error {
	return func(u *Upload, r io.Reader) (err error) {
		u.Incoming, err = b.Sounds.Receive(ctx, r, library.About{Owner: CallerOf(ctx).Key, Name: u.Name, Bytes: bytes})
		if err == nil {
			u.Incoming.ContentType = contentType(u.Incoming.Head(), u.Sent)
		}
		return err
	}
}
