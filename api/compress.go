package api

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// compressed are the content types that are compressed. Audio is not smaller compressed,
// and events must reach the client at once.
var compressed = []string{
	"application/json", "application/problem+json", "text/plain", "text/html", "text/vtt", "application/x-subrip",
}

const (
	// leastCompressed is the size in bytes from which compression is worth its time.
	leastCompressed = 1024
	// jitter is the greatest number of bytes added to a compressed response, by a hash of its
	// content, so that its length does not show whether a text of a client repeats a secret in
	// it (BREACH). No response has a key or another secret besides; the session of the console
	// is below leastCompressed.
	jitter = 32
)

// compress returns middleware that compresses text for clients that accept gzip.
func compress() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(leastCompressed), gzhttp.ContentTypes(compressed), gzhttp.RandomJitter(jitter, 0, false),
		gzhttp.EnableZstd(false), gzhttp.KeepAcceptRanges(), gzhttp.SetContentType(false),
	)
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	return func(next http.Handler) http.Handler { return wrap(next) }, nil
}
