package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services"
)

// soundWork is a command that runs one task for each recording.
type soundWork struct {
	// task is its name, and route the route of a server that runs it.
	task, route string
	// params are the parameters of the task.
	params map[string]any
	// accept is the content type of the result that a server sends.
	accept string
	// extension of the files of results.
	extension string
	// done is the past participle of the work.
	done string
	// print writes the result of a recording to the standard output.
	print func(out io.Writer, r *recording, result io.Reader, several bool) error

	// to is the file or the folder of the results, "-" for the standard output.
	to string
	outputs
	reporting
	remote remoteFlags
}

// standardOutput stands for the standard output in --output.
const standardOutput = "-"

// bind adds the flags that all such commands have.
func (w *soundWork) bind(c *cobra.Command, results string) {
	c.Flags().StringVarP(&w.to, "output", "o", "", "`FILE` for "+results+" of one recording, DIR for a file for each recording, or - to print")
	c.Flags().BoolVar(&w.force, "force", false, "overwrite files in --output")
	w.reporting.bind(c)
	w.remote.bind(c)
}

// outputExtension returns the extension of --output if that is a file rather than a folder:
// one of the known ones.
func (w *soundWork) outputExtension(known []string) string {
	extension := strings.ToLower(filepath.Ext(w.to))
	if info, err := os.Stat(w.to); err == nil && info.IsDir() || !slices.Contains(known, extension) {
		return ""
	}
	return extension
}

// target sets the output file of each recording. known are the extensions of output files.
func (w *soundWork) target(recordings []*recording, known []string) error {
	switch {
	case w.to == "" && w.force:
		return misusef("--force needs --output")
	case w.to == "" || w.to == standardOutput:
		return nil
	case w.outputExtension(known) == "":
		w.folder = w.to
		return w.aim(recordings, w.extension)
	case len(recordings) > 1:
		return misusef("--output %s is the name of one file; several recordings need a folder", w.to)
	}
	recordings[0].target = w.to
	return w.refuseOverwriting(recordings)
}

// run runs the command. known are the extensions of output files.
func (e *environment) runSound(ctx context.Context, w *soundWork, args, known []string) (err error) {
	remote, err := w.remote.server(e.Program)
	if err != nil {
		return err
	}
	recordings, err := find(args, e.streams.In, func(text string) { fmt.Fprintf(e.streams.Err, "%s: %s\n", name, text) })
	if err != nil {
		return err
	}
	if err := w.target(recordings, known); err != nil {
		return err
	}
	if w.to == standardOutput && len(recordings) > 1 && w.print == nil {
		return misusef("several files need an output folder: --output DIR")
	}
	var executor Executor
	if remote == nil && slices.ContainsFunc(recordings, func(r *recording) bool { return r.err == nil }) {
		opened, closeExecutor, failed := e.OpenExecutor(e.settings)
		if failed != nil {
			return failed
		}
		// Resources are released even after an interruption.
		defer func() { err = errors.Join(err, closeExecutor(context.WithoutCancel(ctx))) }()
		executor = opened
	}
	return e.each(ctx, recordings, &w.reporting, w.done, func(r *recording, p *progress) error {
		var result io.ReadCloser
		var err error
		if remote != nil {
			result, err = remote.send(ctx, w, r, p)
		} else {
			result, err = w.execute(ctx, executor, r, p)
		}
		p.finish(err)
		if err != nil {
			return err
		}
		err = e.deliver(ctx, w, r, result, len(recordings) > 1)
		return errors.Join(err, result.Close())
	})
}

// deliver writes a result to its file or to the standard output.
func (e *environment) deliver(ctx context.Context, w *soundWork, r *recording, result io.Reader, several bool) error {
	switch {
	case r.target != "":
		return writeFrom(r.target, &interruptible{ctx, result}, w.force)
	case w.print != nil:
		return w.print(e.streams.Out, r, result, several)
	}
	_, err := io.Copy(e.streams.Out, &interruptible{ctx, result})
	return err
}

// execute runs the task in this process.
func (w *soundWork) execute(ctx context.Context, executor Executor, r *recording, p *progress) (io.ReadCloser, error) {
	audio, done, err := r.source(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	params, err := json.Marshal(w.params)
	if err != nil {
		return nil, err
	}
	result, err := executor.Execute(ctx, services.Task{ID: r.base(), Name: w.task, Params: params, Audio: audio}, p)
	if err != nil {
		return nil, err
	}
	if sound := result.Audio; sound != nil {
		if n := len(sound.All()); n > 1 {
			return nil, errors.Join(fmt.Errorf("the result has %d sounds, which only the API returns", n), sound.Remove())
		}
		file, err := sound.Open()
		if err != nil {
			return nil, errors.Join(err, sound.Remove())
		}
		return &artifact{file, sound}, nil
	}
	text, err := encodeResult(result.Value, params, w.accept)
	return io.NopCloser(bytes.NewReader(text)), err
}

// artifact is a sound that is removed when it is closed.
type artifact struct {
	io.ReadCloser
	sound *services.Artifact
}

// Close implements io.Closer.
func (a *artifact) Close() error { return errors.Join(a.ReadCloser.Close(), a.sound.Remove()) }

// encodeResult returns a result in the form with a content type, or as JSON.
func encodeResult(value any, params json.RawMessage, contentType string) ([]byte, error) {
	forms, _ := services.FormsOf(value, params)
	for _, form := range forms {
		if form.ContentType == contentType {
			return form.Encode()
		}
	}
	text, err := json.Marshal(value)
	return append(text, '\n'), err
}

// send has a server run the task, and returns its response.
func (s *server) send(ctx context.Context, w *soundWork, r *recording, p *progress) (io.ReadCloser, error) {
	audio, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer audio.Close()
	head, tail, contentType, err := w.form(r)
	if err != nil {
		return nil, err
	}
	response, err := s.post(ctx, w.route, r, head, tail, &countingReader{from: audio, total: r.size, report: p.sent},
		map[string]string{"Content-Type": contentType, "Accept": w.accept})
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// post sends a recording between two parts of a form. The caller closes the response.
func (s *server) post(ctx context.Context, route string, r *recording, head, tail []byte, audio io.Reader, header map[string]string,
) (*http.Response, error) {
	body := io.MultiReader(bytes.NewReader(head), audio, bytes.NewReader(tail))
	request, err := s.request(ctx, http.MethodPost, route, body)
	if err != nil {
		return nil, err
	}
	if request.ContentLength = -1; r.size >= 0 {
		request.ContentLength = int64(len(head)) + r.size + int64(len(tail))
	}
	for key, value := range header {
		request.Header.Set(key, value)
	}
	request.Header.Set("Expect", "100-continue") // an invalid key is refused before the upload
	response, err := s.client.Do(request)
	if err != nil {
		return nil, unreachable(ctx, s.base, err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, answerError(response)
	}
	return response, nil
}

// form returns the parts of an upload before and after the recording.
func (w *soundWork) form(r *recording) (head, tail []byte, contentType string, err error) {
	var buffer bytes.Buffer
	form := multipart.NewWriter(&buffer)
	for _, field := range slices.Sorted(maps.Keys(w.params)) {
		text, plain := w.params[field].(string)
		if !plain {
			encoded, failed := json.Marshal(w.params[field])
			text, err = string(encoded), errors.Join(err, failed)
		}
		err = errors.Join(err, form.WriteField(field, text))
	}
	_, failed := form.CreateFormFile("file", r.base())
	before := buffer.Len()
	err = errors.Join(err, failed, form.Close())
	return buffer.Bytes()[:before], buffer.Bytes()[before:], form.FormDataContentType(), err
}
