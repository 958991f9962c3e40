package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Limits of data from a server.
const (
	maxErrorBytes  = 1 << 20
	maxAnswerBytes = 256 << 20
)

// remoteFlags are the flags that select another server.
type remoteFlags struct{ url, key, keyFile string }

func (f *remoteFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "server", "", "`URL` of a running server to use, such as http://127.0.0.1:8080")
	c.Flags().StringVar(&f.key, "api-key", "", "`KEY` for the API of --server; other users of this machine may see it (default $GRYM_API_KEY)")
	c.Flags().StringVar(&f.keyFile, "api-key-file", "", "`FILE` with the API key for --server (default $GRYM_API_KEY_FILE)")
	_ = c.RegisterFlagCompletionFunc("server", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("api-key", cobra.NoFileCompletions)
}

// server returns the client of the selected server, or nil if none is. A key in a flag
// takes precedence over one in the environment.
func (f *remoteFlags) server(program *Program) (*server, error) {
	if f.url == "" {
		switch {
		case f.key != "":
			return nil, misusef("--api-key needs --server")
		case f.keyFile != "":
			return nil, misusef("--api-key-file needs --server")
		}
		return nil, nil // no server was named
	}
	key, err := f.readKey(program)
	if err != nil {
		return nil, err
	}
	return newServer(f.url, key)
}

// readKey returns the API key from the flags or the environment, "" if there is none.
func (f *remoteFlags) readKey(program *Program) (string, error) {
	if f.key != "" && f.keyFile != "" {
		return "", misusef("--api-key and --api-key-file cannot be combined")
	}
	key, file := f.key, f.keyFile
	if key == "" && file == "" {
		key, file = program.APIKey, program.APIKeyFile
	}
	if key == "" && file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("the API key: %w", err)
		}
		if key = strings.TrimSpace(string(data)); key == "" {
			return "", fmt.Errorf("the API key: %s is empty", file)
		}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", misusef("the API key must be printable ASCII without spaces")
	}
	return key, nil
}

// server is a client of another process over HTTP.
type server struct {
	base   *url.URL
	key    string // empty for none
	client *http.Client
}

func newServer(address, key string) (*server, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, misusef("--server must be a URL such as http://127.0.0.1:8080, got %q", address)
	}
	return &server{base: base, key: key, client: &http.Client{
		// An upload cannot be repeated, and the key is for this server only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (s *server) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base.JoinPath(path).String(), body)
	if err == nil && s.key != "" {
		request.Header.Set("Authorization", "Bearer "+s.key)
	}
	return request, err
}

// transcribe sends the recording and returns the text in the requested format. Only the
// response is held in memory.
func (s *server) transcribe(ctx context.Context, t *transcription, r *recording, p *progress) ([]byte, error) {
	audio, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer audio.Close()
	head, tail, contentType, err := t.form(r)
	if err != nil {
		return nil, err
	}
	route := "v1/audio/transcriptions"
	if t.translate {
		route = "v1/audio/translations"
	}
	response, err := s.post(ctx, route, r, head, tail, &countingReader{from: audio, total: r.size, report: p.sent},
		map[string]string{"Content-Type": contentType})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, unreachable(ctx, s.base, err)
	}
	if len(text) > maxAnswerBytes {
		return nil, fmt.Errorf("the server's response is longer than %d bytes", maxAnswerBytes)
	}
	return text, nil
}

// form returns the parts of an upload before and after the recording.
func (t *transcription) form(r *recording) (head, tail []byte, contentType string, err error) {
	var buffer bytes.Buffer
	form := multipart.NewWriter(&buffer)
	fields := [][2]string{
		{"model", t.model}, {"response_format", t.format}, {"language", t.params.Language},
		{"prompt", t.params.Prompt}, {"decoding", t.params.Decoding},
	}
	if window := t.params.WindowSeconds; window != nil {
		fields = append(fields, [2]string{"window_seconds", strconv.FormatFloat(*window, 'g', -1, 64)})
	}
	for _, field := range fields {
		if field[1] != "" {
			err = errors.Join(err, form.WriteField(field[0], field[1]))
		}
	}
	_, failed := form.CreateFormFile("file", r.base())
	before := buffer.Len()
	err = errors.Join(err, failed, form.Close())
	return buffer.Bytes()[:before], buffer.Bytes()[before:], form.FormDataContentType(), err
}

// unreachable returns a readable error for a request without a response.
func unreachable(ctx context.Context, base *url.URL, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s is not reachable: %w", base.Redacted(), err)
}

// answerError returns the error of an unsuccessful response, in either of the API's shapes.
func answerError(response *http.Response) error {
	if location := response.Header.Get("Location"); location != "" {
		return fmt.Errorf("the server redirects to %s; use that URL with --server", location)
	}
	var body struct {
		Error struct {
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}
	_ = json.NewDecoder(io.LimitReader(response.Body, maxErrorBytes)).Decode(&body)
	message, id := body.Error.Message, body.Error.RequestID
	if message == "" {
		message, id = body.Detail, body.RequestID
	}
	if message == "" {
		return fmt.Errorf("the server answered %s", response.Status)
	}
	if id == "" {
		return fmt.Errorf("the server answered %d: %s", response.StatusCode, message)
	}
	return fmt.Errorf("the server answered %d: %s (request %s)", response.StatusCode, message, id)
}

// countingReader reports the fraction of a recording that has been read.
type countingReader struct {
	from        io.Reader
	read, total int64
	report      func(fraction float64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if c.read += int64(n); c.total > 0 {
		c.report(float64(c.read) / float64(c.total))
	}
	return n, err
}

// local transcribes in this process.
type local struct{ executor Executor }

func (l *local) transcribe(ctx context.Context, t *transcription, r *recording, p *progress) ([]byte, error) {
	audio, done, err := r.source(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	asked := t.params
	if t.format == tasks.FormatVerbose {
		asked.ResponseFormat = t.format // whose segments have the scores of their tokens
	}
	params, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	result, err := l.executor.Execute(ctx, services.Task{
		ID: r.base(), Name: t.task(), Model: t.model, Params: params, Audio: audio,
	}, p)
	if err != nil {
		return nil, err
	}
	transcript, ok := result.Value.(*tasks.Transcription)
	if !ok {
		return nil, fmt.Errorf("the result is a %T, not a transcription", result.Value)
	}
	return transcript.Encode(t.format)
}
