package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
)

// root is the path of OpenAI's API, with which the base URL of its clients ends.
const root = "/v1"

// cleanPath forwards a request with the path that its client meant: without empty segments
// and a final slash, and with root once, which some clients add to a base URL that has it.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, raw := meantPath(r.URL.Path), meantPath(r.URL.RawPath); path != r.URL.Path || raw != r.URL.RawPath {
			moved := *r
			moved.URL = new(url.URL)
			*moved.URL = *r.URL
			moved.URL.Path, moved.URL.RawPath = path, raw
			r = &moved
		}
		next.ServeHTTP(w, r)
	})
}

// meantPath returns the path that a client meant.
func meantPath(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	for strings.HasPrefix(path, root+root+"/") {
		path = path[len(root):]
	}
	return path
}

// unserved are OpenAI routes that clients may call and no service offers.
var unserved = map[string]string{
	"/v1/audio/speech": "text to speech is not available; POST /v1/audio/generations generates sounds from a description",
}

// openAIRoutes are the routes that clients append to their base URL.
var openAIRoutes = []string{
	"/audio/transcriptions", "/audio/translations", "/audio/speech", "/chat/completions", "/models", "/completions", "/embeddings",
	"/responses",
}

// noRoute returns the error for a path that has no route.
func noRoute(path string) error {
	message, known := unserved[path]
	if !known {
		message = fmt.Sprintf("no route %.200s; GET /openapi.json lists all routes", path)
	}
	for _, route := range openAIRoutes {
		before, found := strings.CutSuffix(path, route)
		if found && before != root && !known {
			message += fmt.Sprintf("; the base URL of a client ends with %s, as http://127.0.0.1:8080%[1]s does, and the client appends %s",
				root, route)
			break
		}
	}
	return &problem.HTTPError{Status: http.StatusNotFound, Slug: "no_such_route", Title: "No such route", Message: message}
}
