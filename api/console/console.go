package console

import (
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

// policy allows only what is embedded. Preact sets styles through the object model, which
// the policy for styles does not concern.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// permissions are the features of the browser that the page may use.
const permissions = "microphone=(self), camera=(), geolocation=(), payment=(), usb=()"

// Console serves the files.
type Console struct {
	bundle *bundle
}

// New returns a console of the given files.
func New(files fs.FS) (*Console, error) {
	b, err := newBundle(files)
	return &Console{bundle: b}, err
}

// Handles reports whether a request is one for the console. A request for / is one if it
// accepts HTML by name, as browsers do.
func (c *Console) Handles(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if r.URL.Path == "/" && !acceptsHTML(r) {
		return false
	}
	_, ok := c.bundle.files[r.URL.Path]
	return ok
}

func acceptsHTML(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(value, ",") {
			kind, params, _ := strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/html") && !refused(params) {
				return true
			}
		}
	}
	return false
}

// refused reports whether the parameters of a media type or coding have the quality 0.
func refused(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && quality == 0
		}
	}
	return false
}

// ServeHTTP serves a request for which Handles returns true.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, header := c.bundle.files[r.URL.Path], w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if f.document {
		header.Set("Content-Security-Policy", policy)
	}
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "same-origin")
	if r.URL.Path == "/" {
		header.Set("Permissions-Policy", permissions)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Add("Vary", "Accept")
		if !c.bundle.complete {
			writeIncomplete(w)
			return
		}
	}
	body, tag := f.plain, f.plainTag
	if f.zipped != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			body, tag = f.zipped, f.zippedTag
			header.Set("Content-Encoding", "gzip")
		}
	}
	header.Set("Etag", tag)
	header.Set("Cache-Control", f.cacheControl)
	if has(r.Header.Values("If-None-Match"), f) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the client may have left
	}
}

// incomplete is the page of a binary without the libraries.
const incomplete = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>grym-synth</title></head>
<body><h1>The console was built without its libraries</h1>
<p>This binary was compiled by <code>go build</code> alone. <code>make build</code> downloads and embeds the libraries of the console.
The API works as usual; <a href="/openapi.json">/openapi.json</a> describes it.</p></body></html>
`

func writeIncomplete(w http.ResponseWriter) {
	w.Header().Set("Content-Type", types[".html"])
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotImplemented)
	_, _ = w.Write([]byte(incomplete))
}

// acceptsGzip reports whether a request accepts the coding gzip.
func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(value, ",") {
			coding, params, _ := strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				return !refused(params)
			}
		}
	}
	return false
}

// has reports whether a list of entity tags contains one of the file's. The comparison is
// weak (RFC 9110, section 13.1.2).
func has(values []string, f *file) bool {
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || tag == f.plainTag || f.zipped != nil && tag == f.zippedTag {
				return true
			}
		}
	}
	return false
}
