package web

import (
	"fmt"
	"mime"
	"net/http"

	"github.com/grym-synth/grym-synth/services"
)

// What a body can be, in the words of its limit.
const (
	AForm      = "a form"
	ARecording = "a recording"
	SomeJSON   = "JSON"
	ABody      = "the body of a request"
)

// MaxJSON bounds what is JSON and is read into memory: a body, or a part of a form.
const MaxJSON = 1 << 20

// Limit is the most bytes that a body may have.
type Limit struct {
	Bytes int64
	// Of is what the limit is for.
	Of string
	// Setting is the limit's name in the configuration; empty where it has none.
	Setting string
}

// Fault returns the fault of a body over the limit.
func (l Limit) Fault(err error) *services.Fault {
	message := fmt.Sprintf("the body has more than %d bytes (%s), which is the limit for %s", l.Bytes, services.Bytes(l.Bytes), l.Of)
	if l.Setting != "" {
		message += "; the setting " + l.Setting + " changes it"
	}
	return &services.Fault{Kind: services.KindTooLarge, Message: message, Err: err}
}

// Upload returns the limit for every body, in the words of one kind of body.
func (l Limits) Upload(of string) Limit {
	return Limit{int64(l.MaxUpload), of, "api.maxUpload"}
}

// TooSlow explains why a body was cut off.
func (l Limits) TooSlow() string {
	return fmt.Sprintf("the body came too slowly: it may take %s, and for that %s and a second for each %s",
		l.UploadTimeout, l.HeaderTimeout, l.MinUploadRate)
}

// MediaType returns the type of a request's body without parameters.
func MediaType(r *http.Request) string {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // none where it cannot be read
	return kind
}
