package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"
)

// Statuses of batches and items.
const (
	statusFailed    = "failed"
	statusCancelled = "cancelled"
)

// remoteBatch is a batch of a server.
type remoteBatch struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Items  int    `json:"items"`
	Counts struct {
		Running, Succeeded, Failed, Cancelled int
	} `json:"counts"`
	SecondsLeft float64 `json:"seconds_left"`
}

// lackingAudio is the error for a batch some of whose recordings the server does not have.
type lackingAudio struct{ error }

// serverOrLocal returns the client of the selected server, or of the one at the configured
// address.
func (f *remoteFlags) serverOrLocal(e *environment) (*server, error) {
	s, err := f.server(e.Program)
	if err != nil || s != nil {
		return s, err
	}
	listen, err := e.Listen(e.settings)
	if err != nil {
		return nil, err
	}
	if s, err = localServer(listen); err != nil {
		return nil, err
	}
	s.key, err = f.readKey(e.Program)
	return s, err
}

// call sends a request whose response is JSON, and returns its status.
func (s *server) call(request *http.Request, into any) (status int, err error) {
	response, err := s.client.Do(request)
	if err != nil {
		return 0, unreachable(request.Context(), s.base, err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return response.StatusCode, answerError(response)
	}
	if into == nil {
		return response.StatusCode, nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(into); err != nil {
		return response.StatusCode, unreachable(request.Context(), s.base, err)
	}
	return response.StatusCode, nil
}

// submitBatch submits a batch in lines; existed reports whether it was submitted before.
func (s *server) submitBatch(ctx context.Context, body []byte, key string) (made remoteBatch, existed bool, err error) {
	request, err := s.request(ctx, http.MethodPost, "v1/batches", bytes.NewReader(body))
	if err != nil {
		return made, false, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Idempotency-Key", key)
	status, err := s.call(request, &made)
	if status == http.StatusBadRequest && strings.Contains(err.Error(), "names no stored recording") {
		err = &lackingAudio{err}
	}
	return made, status == http.StatusOK, err
}

// retryBatch has the failed items of a batch run again.
func (s *server) retryBatch(ctx context.Context, id string) error {
	request, err := s.request(ctx, http.MethodPost, "v1/batches/"+id+"/retry", nil)
	if err != nil {
		return err
	}
	_, err = s.call(request, nil)
	return err
}

// hasAudio reports whether the server has a recording.
func (s *server) hasAudio(ctx context.Context, id string) (bool, error) {
	request, err := s.request(ctx, http.MethodHead, "v1/audio/"+id, nil)
	if err != nil {
		return false, err
	}
	status, err := s.call(request, nil)
	if status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// storeAudio sends a recording to be stored.
func (s *server) storeAudio(ctx context.Context, r *recording, p *progress) error {
	audio, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer audio.Close()
	var head bytes.Buffer
	form := multipart.NewWriter(&head)
	if _, err := form.CreateFormFile("file", r.base()); err != nil {
		return err
	}
	tail := "\r\n--" + form.Boundary() + "--\r\n"
	length := int64(head.Len()) + r.size + int64(len(tail))
	body := io.MultiReader(&head, &countingReader{from: audio, total: r.size, report: p.sent}, strings.NewReader(tail))
	request, err := s.request(ctx, http.MethodPost, "v1/audio", body)
	if err != nil {
		return err
	}
	request.ContentLength = length
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Expect", "100-continue")
	_, err = s.call(request, nil)
	return err
}

const (
	// firstPause and longestPause bound the time between two tries to reach a server.
	firstPause   = time.Second
	longestPause = 15 * time.Second
	// maxEvent bounds a line of an event.
	maxEvent = 4 << 20
)

// follow shows the progress of the batch until it ends. A server that goes away is tried
// again.
func (w *manyWork) follow(ctx context.Context) (remoteBatch, error) {
	for wait := firstPause; ; wait = min(2*wait, longestPause) {
		began := time.Now()
		batch, ended, err := w.events(ctx)
		if ended || err != nil && !isTemporary(err) || ctx.Err() != nil {
			return batch, err
		}
		if time.Since(began) > longestPause {
			wait = firstPause
		}
		w.bar.clear()
		w.note(fmt.Sprintf("the connection to %s has ended; trying again in %s", w.server.base.Redacted(), wait))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return batch, ctx.Err()
		}
	}
}

// temporary is an error that may pass.
type temporary struct{ error }

func isTemporary(err error) bool {
	_, is := err.(temporary) //nolint:errorlint // it is never wrapped
	return is
}

// events follows one stream of events; ended is set at the end of the batch.
func (w *manyWork) events(ctx context.Context) (batch remoteBatch, ended bool, err error) {
	request, err := w.server.request(ctx, http.MethodGet, "v1/batches/"+w.id+"/events", nil)
	if err != nil {
		return batch, false, err
	}
	response, err := w.server.client.Do(request)
	if err != nil {
		return batch, false, temporary{unreachable(ctx, w.server.base, err)}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		err := answerError(response)
		if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
			err = temporary{err}
		}
		return batch, false, err
	}
	lines, event := bufio.NewScanner(response.Body), ""
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		key, data, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case key == "event":
			event = data
		case key == "data" && (event == "batch" || event == "end"):
			if err := json.Unmarshal([]byte(data), &batch); err != nil {
				return batch, false, fmt.Errorf("an event of the server cannot be read: %w", err)
			}
			w.bar.show(batch)
			if event == "end" {
				return batch, true, nil
			}
		}
	}
	return batch, false, temporary{lines.Err()}
}

// counter prints the counts of a batch, as a bar on a terminal and as lines otherwise. If out
// is nil it prints nothing.
type counter struct {
	out   io.Writer
	bar   bool
	drawn bool
	last  string
}

// show prints the counts if they have changed.
func (c *counter) show(b remoteBatch) {
	if c.out == nil || b.Items == 0 {
		return
	}
	ended := b.Counts.Succeeded + b.Counts.Failed + b.Counts.Cancelled
	text := fmt.Sprintf("%d/%d done", ended, b.Items)
	if b.Counts.Running > 0 {
		text += fmt.Sprintf(", %d running", b.Counts.Running)
	}
	if b.Counts.Failed > 0 {
		text += fmt.Sprintf(", %d failed", b.Counts.Failed)
	}
	if !c.bar {
		if text != c.last {
			fmt.Fprintln(c.out, text)
		}
		c.last = text
		return
	}
	if b.SecondsLeft > 0 {
		text += ", ETA " + clock(time.Duration(b.SecondsLeft*float64(time.Second)))
	}
	full := ended * barWidth / b.Items
	fmt.Fprintf(c.out, "\r[%s%s] %s\x1b[K", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), text)
	c.drawn = true
}

// clear removes the bar, so that something else can be printed.
func (c *counter) clear() {
	if c.drawn {
		fmt.Fprintf(c.out, "\r\x1b[K")
		c.drawn = false
	}
}

// fetch writes a response to a temporary file, which the caller removes.
func (s *server) fetch(ctx context.Context, path string) (*os.File, error) {
	request, err := s.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = "format=zip"
	response, err := s.client.Do(request)
	if err != nil {
		return nil, unreachable(ctx, s.base, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, answerError(response)
	}
	file, err := os.CreateTemp("", "grym-synth-results-*") // mode 0600: it may be private
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(file, response.Body); err != nil {
		_, _ = file.Close(), os.Remove(file.Name()) // the first error counts
		return nil, unreachable(ctx, s.base, err)
	}
	return file, nil
}
