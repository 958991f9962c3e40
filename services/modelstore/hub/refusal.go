package hub

import (
	"fmt"
	"net/http"

	"github.com/grym-synth/grym-synth/services"
)

// refusal returns the fault for an answer that is no success. The hub names the reason in
// a header.
func (c *Client) refusal(response *http.Response, repo, revision, file string) error {
	page := c.settings.Endpoint + "/" + repo
	switch reason := response.Header.Get("X-Error-Code"); {
	case reason == "GatedRepo":
		return services.Invalidf("source", "%s is gated: accept its terms at %s and set HF_TOKEN to a token of that account", repo, page)
	case reason == "RevisionNotFound":
		return notFound("revision", "%q does not exist in %s", revision, repo)
	case reason == "EntryNotFound":
		return notFound("source", "%s has no file %.200q at %s", repo, file, revision)
	case reason == "RepoNotFound" || response.StatusCode == http.StatusNotFound:
		return notFound("source", "%s does not exist at %s, or is private: then set HF_TOKEN", repo, c.settings.Endpoint)
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode == http.StatusForbidden:
		if c.settings.Token == "" {
			return notFound("source", "%s does not exist at %s, or is private: then set HF_TOKEN", repo, c.settings.Endpoint)
		}
		return services.Invalidf("source", "%s refuses the token in HF_TOKEN for %s", c.settings.Endpoint, repo)
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= http.StatusInternalServerError:
		return &transient{error: &services.Fault{
			Kind: services.KindUnavailable, Message: fmt.Sprintf("%s answers %s", c.settings.Endpoint, response.Status),
			RetryAfter: retryAfter(response),
		}, after: retryAfter(response)}
	default:
		return services.Faultf(services.KindUnavailable, "%s answers %s", page, response.Status)
	}
}

// notFound returns a KindNotFound fault of one field.
func notFound(field, format string, args ...any) error {
	return &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: field, Problem: fmt.Sprintf(format, args...)}}}
}
