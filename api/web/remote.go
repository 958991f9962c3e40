package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/internal/publicaddr"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// maxAddress is the maximum length of an address in bytes.
	maxAddress = 2048
	// maxRedirects is the maximum number of redirects that are followed.
	maxRedirects = 3
)

// Remote fetches recordings over HTTP from hosts that the settings list. Safe for
// concurrent use.
type Remote struct {
	// Has reports whether a host, with its port if the address has one, is listed.
	Has func(host string) bool
	// AllowPrivate allows hosts in private networks.
	AllowPrivate bool
	// Timeout limits the time of one recording.
	Timeout time.Duration
}

// refusedAddress is the reason why an address is not fetched.
type refusedAddress struct{ reason string }

func (r refusedAddress) Error() string { return r.reason }

// errPrivate refuses an address that is not public. Which one it is remains hidden.
var errPrivate = refusedAddress{"must lead to a public address; api.audioURL.allowPrivate allows others"}

// check returns why an address may not be fetched, or nil.
func (r *Remote) check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refusedAddress{"must be a data URI, or begin with https:// or http://"}
	case u.User != nil:
		return refusedAddress{"must not have a user or a password"}
	case u.Hostname() == "":
		return refusedAddress{"must name a host"}
	case !r.Has(u.Host):
		return refusedAddress{fmt.Sprintf("leads to the host %.100q, which is not in api.audioURL.hosts; "+
			"send the recording itself, as base64 or as a data URI", u.Host)}
	}
	return nil
}

// client returns a client that connects to public addresses only, checked after names have
// been resolved, and follows redirects to listed hosts.
func (r *Remote) client() *http.Client {
	dialer := &net.Dialer{Timeout: r.Timeout}
	if !r.AllowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil || !publicaddr.Is(target.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &http.Client{
		Timeout: r.Timeout,
		Transport: &http.Transport{
			Proxy:                  nil, // it would connect without the check of the address
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true, // so that the limit is that of what is read
			TLSHandshakeTimeout:    r.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return refusedAddress{fmt.Sprintf("leads to more than %d redirects", maxRedirects)}
			}
			return r.check(next.URL)
		},
	}
}

// Fetch spools the recording at an address, of at most the size of an upload. Faults name
// the field.
func (b *Base) Fetch(ctx context.Context, u *Upload, address, field string) error {
	if b.Remote == nil {
		return services.Invalidf(field, "must be a data URI: no host is in api.audioURL.hosts")
	}
	parsed, err := url.Parse(address)
	if err != nil || len(address) > maxAddress {
		return services.Invalidf(field, "must be an address of at most %d bytes, got %.60q", maxAddress, address)
	}
	if err := b.Remote.check(parsed); err != nil {
		return services.Invalidf(field, "%v", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, parsed.String(), http.NoBody)
	if err != nil {
		return services.Invalidf(field, "must be an address, got %.60q", address)
	}
	request.Header.Set("User-Agent", "grym-synth")
	request.Header.Set("Accept", "audio/*, video/*, application/octet-stream")
	response, err := b.Remote.client().Do(request)
	if err != nil {
		return b.Remote.fault(ctx, field, err)
	}
	defer response.Body.Close()
	limit := int64(b.Limits.MaxUpload)
	tooLarge := &services.Fault{Kind: services.KindTooLarge, Fields: []services.FieldError{{
		Field: field, Problem: fmt.Sprintf("leads to more than %d bytes (%s), the limit of api.maxUpload", limit, services.Bytes(limit)),
	}}}
	switch {
	case response.StatusCode != http.StatusOK:
		return services.Invalidf(field, "was answered with status %d", response.StatusCode)
	case response.ContentLength > limit:
		return tooLarge
	}
	if err := b.Spool(u, &bounded{r: response.Body, left: limit, fault: tooLarge}); err != nil {
		return b.Remote.fault(ctx, field, err)
	}
	return nil
}

// fault returns the fault of a recording that could not be fetched. It has neither the
// addresses that names were resolved to nor other details of the server's network.
func (r *Remote) fault(ctx context.Context, field string, err error) error {
	var refused refusedAddress
	var fault *services.Fault
	var spool *spoolError
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("fetch: %w", ctx.Err())
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &spool):
		return &services.Fault{
			Kind: services.KindUnavailable, Message: "the recording could not be stored", RetryAfter: 10 * time.Second, Err: err,
		}
	case errors.As(err, &refused):
		return services.Invalidf(field, "%s", refused.reason)
	case errors.As(err, &timeout) && timeout.Timeout():
		return services.Invalidf(field, "did not arrive within %s", r.Timeout)
	}
	unreachable := services.Invalidf(field, "could not be fetched")
	unreachable.Err = err
	return unreachable
}

// bounded reads at most left bytes and fails with a fault if there are more.
type bounded struct {
	r     io.Reader
	left  int64
	fault error
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.fault
	}
	return n, err
}
