package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
)

type originKey struct{}

// findClient replaces the address of a trusted proxy by that of the client, for
// the log and for what is counted by address.
func (h *handlers) findClient(next http.Handler) http.Handler {
	if len(h.cfg.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := h.proxies.Origin(r.RemoteAddr, r.Header.Values); origin.Proxy != "" {
			r = r.WithContext(context.WithValue(r.Context(), originKey{}, origin))
			r.RemoteAddr = origin.Client
			if origin.Host != "" {
				r.Host = origin.Host
			}
		}
		next.ServeHTTP(w, r)
	})
}

// forwardedAttrs returns what the log says of a request that came through a
// trusted proxy.
func forwardedAttrs(ctx context.Context) []slog.Attr {
	origin, ok := ctx.Value(originKey{}).(access.Origin)
	if !ok {
		return nil
	}
	attrs := []slog.Attr{slog.String("proxy", origin.Proxy)}
	if origin.Scheme != "" {
		attrs = append(attrs, slog.String("scheme", origin.Scheme))
	}
	if origin.Host != "" {
		attrs = append(attrs, slog.String("host", origin.Host))
	}
	return attrs
}

// suspect returns why a request without a key is refused, nil if it is not. A
// server that asks for no key trusts its own machine, so requests that come from
// elsewhere through a web page or a reverse proxy must not pass for the machine's.
func (h *handlers) suspect(r *http.Request, scopes []access.Scope) error {
	loopback := h.cfg.onLoopback()
	if loopback {
		if err := h.suspectPage(r); err != nil {
			return err
		}
	}
	if scopes == nil {
		return nil
	}
	if name := forwardingHeader(r.Header); name != "" {
		return behindProxy(fmt.Sprintf("the request came through a proxy, as it carries %s, and no API key is asked for here", name))
	}
	if !loopback {
		return nil
	}
	if !r.ProtoAtLeast(1, 1) {
		return behindProxy("the request is HTTP/1.0, as a reverse proxy sends it, and no API key is asked for here")
	}
	if err := suspectReferer(r); err != nil {
		return err
	}
	if slices.Equal(scopes, []access.Scope{access.ScopeAdmin}) {
		return suspectUser(r)
	}
	return nil
}

// suspectPage keeps web pages out: a page's own requests carry its Origin, and a
// name made to resolve to loopback shows in Host.
func (h *handlers) suspectPage(r *http.Request) error {
	if !access.IsLoopback(hostname(r.Host)) && !h.hosts.Has(r.Host) {
		return forbidden(fmt.Sprintf("this server listens on the loopback interface and does not answer to the host %q without an API key; "+
			"use 127.0.0.1 or localhost, or set api.hosts to the names of the server", r.Host))
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !access.IsLoopback(u.Hostname()) && !h.hosts.Has(u.Host) {
			return forbidden(fmt.Sprintf("pages of %q may not use this server, which listens on the loopback interface, without an API key; api.hosts names the hosts whose pages may", origin))
		}
	}
	return nil
}

// suspectReferer keeps out what a browser fetched for a page of another site
// without an Origin, as it does for images and sounds, or asked a public name for.
func suspectReferer(r *http.Request) error {
	if r.Header.Get("Origin") != "" {
		return nil // has been looked at
	}
	if referer := r.Header.Get("Referer"); referer != "" {
		if u, err := url.Parse(referer); err != nil || !access.IsLoopback(u.Hostname()) {
			return forbidden(fmt.Sprintf("pages of %q may not use this server, which listens on the loopback interface, without an API key", referer))
		}
		return nil
	}
	if strings.EqualFold(r.Header.Get("Sec-Fetch-Site"), "cross-site") {
		return forbidden("pages of other sites may not use this server, which listens on the loopback interface, without an API key")
	}
	return nil
}

// suspectUser lets only the user who runs the server, and root, manage it without
// a key: a reverse proxy runs as a user of its own. Where the system does not say
// who holds a connection, everybody on the machine may.
func suspectUser(r *http.Request) error {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return nil // not from a connection
	}
	local, bad := netip.ParseAddrPort(addr.String())
	remote, worse := netip.ParseAddrPort(r.RemoteAddr)
	if err := errors.Join(bad, worse); err != nil {
		return behindProxy("the address of the connection cannot be read, and no API key is asked for here")
	}
	uid, err := access.Owner(local, remote)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return behindProxy("no process of this machine is seen at the other end of the connection, and this route manages the server")
	case uid != 0 && uid != os.Geteuid():
		return behindProxy(fmt.Sprintf("the request came from a process of another user (uid %d), as that of a reverse proxy is, and this route manages the server", uid))
	}
	return nil
}

// forwarding are the header fields in which proxies write whom they speak for.
var forwarding = []string{
	"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Original-Host",
	"True-Client-Ip", "Cf-Connecting-Ip", "Cdn-Loop",
}

// forwardingHeader returns the name of a header field that only a proxy sends,
// empty for none.
func forwardingHeader(header http.Header) string {
	for _, name := range forwarding {
		if _, ok := header[name]; ok {
			return name
		}
	}
	for name := range header {
		if strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "X-Envoy-") {
			return name
		}
	}
	return ""
}

func behindProxy(what string) error {
	return &problem.HTTPError{
		Status: http.StatusForbidden, Slug: "key_needed", Title: "Forbidden",
		Message: what + "; send the header Authorization: Bearer KEY with a key that grym-synth keys create makes, and set api.hosts to the public name of the server " +
			"and api.trustedProxies to the address of the proxy",
	}
}

func forbidden(message string) error {
	return &problem.HTTPError{Status: http.StatusForbidden, Slug: "forbidden_origin", Title: "Forbidden", Message: message}
}

// hostname drops the port of a Host header.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
