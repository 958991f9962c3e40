package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// renditionVersion is part of the key of every rendition. It changes when the same parameters
// have another result.
const renditionVersion = "1"

// rendition is a response about a stored recording: a picture or its peaks.
type rendition struct {
	// ContentType and Warnings are headers of the response.
	ContentType string `json:"content_type"`
	Warnings    string `json:"warnings,omitempty"`
	body        []byte
}

// encode returns the headers as a line of JSON, and the body.
func (r rendition) encode() ([]byte, error) {
	head, err := json.Marshal(r)
	return append(append(head, '\n'), r.body...), err
}

// decodeRendition is the inverse of encode.
func decodeRendition(content []byte) (rendition, error) {
	head, body, found := bytes.Cut(content, []byte("\n"))
	if !found {
		return rendition{}, errors.New("the rendition has no body")
	}
	r := rendition{body: body}
	return r, json.Unmarshal(head, &r)
}

// serveStored answers a request about the stored recording in the path. What was computed
// is stored for the same request of the same caller.
func (b *Base) serveStored(w http.ResponseWriter, r *http.Request, route *Route, request asked) error {
	ctx, caller, id := r.Context(), CallerOf(r.Context()), r.PathValue(StoredField)
	if _, err := b.Sounds.Describe(ctx, caller, id); err != nil {
		return err
	}
	priority, accept := r.Header.Get("Grym-Priority"), r.Header.Values("Accept")
	task, err := NewTask(ctx, Work{Task: route.Task, Model: request.model, Params: request.params}, &priority)
	if err != nil {
		return err
	}
	key := route.key(accept, task)
	tag := `W/"` + hash(id, key)[:32] + `"`
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "private, no-cache")
	header.Add("Vary", "Accept")
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	made, err := b.rendition(ctx, route, request, task, id, key)
	if err != nil {
		header.Del("ETag")
		header.Del("Cache-Control")
		return err
	}
	if made.Warnings != "" {
		header.Set(warningHeader, made.Warnings)
	}
	header.Set("X-Content-Type-Options", "nosniff")
	return Body{ContentType: made.ContentType, Text: made.body}.Send(w)
}

// rendition returns the stored response to a request, or runs its task and stores it.
func (b *Base) rendition(ctx context.Context, route *Route, request asked, task services.Task, id, key string) (rendition, error) {
	owner := CallerOf(ctx).Key
	// The recording is not deleted while it is held, so nothing of it is stored afterwards.
	if err := b.Find(ctx, request.upload, id); err != nil {
		return rendition{}, err
	}
	if b.Renditions != nil {
		if content, found := b.Renditions.Get(owner, id, key); found {
			if stored, err := decodeRendition(content); err == nil {
				return stored, nil
			}
		}
	}
	task.Audio = request.upload.Audio()
	result, err := b.Run(ctx, task, nil)
	if err != nil {
		return rendition{}, err
	}
	body, err := route.encode(ExchangeOf(ctx).R.Header.Values("Accept"), task.Params, result)
	if err != nil {
		return rendition{}, services.Internal(err, "the answer could not be encoded")
	}
	made := rendition{ContentType: body.ContentType, Warnings: warningTokens(result.Warnings), body: body.Text}
	if content, err := made.encode(); err == nil && b.Renditions != nil {
		b.Renditions.Put(owner, id, key, content)
	}
	return made, nil
}

// key identifies the response of a task: by its parameters and the content type that the
// request accepts.
func (r *Route) key(accept []string, task services.Task) string {
	kind := typeJSON
	if form := r.choose(accept, task.Params, r.Empty); form != nil {
		kind = form.ContentType
	}
	return hash(renditionVersion, task.Name, task.Model, string(task.Params), kind)
}

// hash returns the SHA-256 of texts in hex.
func hash(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// matches reports whether an If-None-Match header has a weak tag (RFC 9110, section 13.1.2).
func matches(header []string, tag string) bool {
	for _, one := range strings.Split(strings.Join(header, ","), ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
