package web

import (
	"fmt"
	"mime"
	"net/http"

	"github.com/grym-synth/grym-synth/services"
)

// The kinds of body, as a limit's message names them.
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
	// Of names what the limit applies to.
	Of string
	// Setting is the configuration key of the limit; "" if it has none.
	Setting string
}

// Fault returns the fault of a body that exceeds the limit.
func (l Limit) Fault(err error) *services.Fault {
	message := fmt.Sprintf("the body has more than %d bytes (%s), the limit for %s", l.Bytes, services.Bytes(l.Bytes), l.Of)
	if l.Setting != "" {
		message += "; to change the limit, set " + l.Setting
	}
	return &services.Fault{Kind: services.KindTooLarge, Message: message, Err: err}
}

// Upload returns the limit of every body, worded for one kind of body.
func (l Limits) Upload(of string) Limit {
	return Limit{int64(l.MaxUpload), of, "api.maxUpload"}
}

// TooSlow returns the message for a body that was cut off.
func (l Limits) TooSlow() string {
	return fmt.Sprintf("the body was sent too slowly: it may take %[2]s plus a second for each %[3]s, and at most %[1]s",
		l.UploadTimeout, l.HeaderTimeout, l.MinUploadRate)
}

// MediaType returns the media type of a request's body without parameters.
func MediaType(r *http.Request) string {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" if it is malformed
	return kind
}
