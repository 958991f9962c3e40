package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CORSConfig is the configuration of cross-origin requests, which pages of other origins
// send.
type CORSConfig struct {
	// Origins are the origins whose pages may use the server, such as
	// https://app.example; * allows all. Defaults to none.
	Origins []string `koanf:"origins"`
}

// anyOrigin allows pages of every origin.
const anyOrigin = "*"

// validate returns an error for each value that no browser sends as an Origin.
func (c CORSConfig) validate() (errs []error) {
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		plain := err == nil && u.Scheme != "" && u.Host != "" && origin == strings.ToLower(u.Scheme+"://"+u.Host)
		if origin == anyOrigin || plain && !strings.Contains(origin, anyOrigin) {
			continue
		}
		errs = append(errs, fmt.Errorf("cors.origins: must be origins in lower case such as https://app.example or http://localhost:5173, "+
			"without a path, or *, got %q", origin))
	}
	return errs
}

// isNamed reports whether an origin is in the list by its name.
func (c CORSConfig) isNamed(origin string) bool {
	return origin != anyOrigin && slices.Contains(c.Origins, origin)
}

// exposed are the response headers that a page may read, besides those that it always may.
var exposed = strings.Join([]string{
	"Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "Grym-Model", "Grym-Seed", "Grym-Warning", "Idempotent-Replayed",
	"Location", "Preference-Applied", "Retry-After", "WWW-Authenticate", "X-Request-Id",
}, ", ")

// preflightSeconds is the time for which a browser may keep the response to a preflight
// request; browsers have limits of about this.
const preflightSeconds = "7200"

// cors allows pages of other origins to send requests and to read the responses, errors
// included. It answers preflight requests, which have no API key.
func (h *handlers) cors(next http.Handler) http.Handler {
	list := h.cfg.CORS
	if len(list.Origins) == 0 {
		return next
	}
	everyone := slices.Contains(list.Origins, anyOrigin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin, header := r.Header.Get("Origin"), w.Header()
		header.Add("Vary", "Origin")
		if origin == "" || !everyone && !list.isNamed(origin) {
			next.ServeHTTP(w, r)
			return
		}
		allowed := origin
		if everyone {
			allowed = anyOrigin
		}
		header.Set("Access-Control-Allow-Origin", allowed)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			header.Set("Access-Control-Expose-Headers", exposed)
			next.ServeHTTP(w, r)
			return
		}
		header.Add("Vary", "Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
			header.Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
		}
		if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
			header.Set("Access-Control-Allow-Private-Network", "true")
		}
		header.Set("Access-Control-Max-Age", preflightSeconds)
		w.WriteHeader(http.StatusNoContent)
	})
}
