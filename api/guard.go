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

// findClient replaces the address of a trusted proxy by that of the client, for the log and
// the per-address limits.
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

// isSecure reports whether the client uses TLS, as far as it is known.
func isSecure(r *http.Request) bool {
	origin, _ := r.Context().Value(originKey{}).(access.Origin)
	return r.TLS != nil || origin.Scheme == "https"
}

// forwardedAttrs returns the log attributes of a request that came through a trusted proxy.
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

// suspect returns the reason to refuse a request without a key, or nil. A server that
// requires no keys trusts its own machine, so requests that others send through a web page
// or a reverse proxy must not be taken for local ones.
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
		return behindProxy(fmt.Sprintf("the request came through a proxy (it has the header %s), and this server requires no API key", name))
	}
	if !loopback {
		return nil
	}
	if !r.ProtoAtLeast(1, 1) {
		return behindProxy("the request is HTTP/1.0, which reverse proxies send, and this server requires no API key")
	}
	if err := suspectReferer(r); err != nil {
		return err
	}
	if slices.Equal(scopes, []access.Scope{access.ScopeAdmin}) {
		if err := h.suspectPort(r); err != nil {
			return err
		}
		return suspectUser(r)
	}
	return nil
}

// suspectPage refuses web pages: a page's own requests have its Origin, and a name that
// resolves to loopback (DNS rebinding) appears in Host.
func (h *handlers) suspectPage(r *http.Request) error {
	if !access.IsLoopback(hostname(r.Host)) && !h.hosts.Has(r.Host) {
		return forbidden(fmt.Sprintf("this server listens on the loopback interface and does not answer to the host %q without an API key; "+
			"use 127.0.0.1 or localhost, or set api.hosts to the names of the server", r.Host))
	}
	if origin := r.Header.Get("Origin"); origin != "" && !h.cfg.CORS.isNamed(origin) {
		if u, err := url.Parse(origin); err != nil || !access.IsLoopback(u.Hostname()) && !h.hosts.Has(u.Host) {
			return forbidden(fmt.Sprintf("pages of %q may not use this server, which listens on the loopback interface, without an API key; to "+
				"allow them, add this origin to api.cors.origins", origin))
		}
	}
	return nil
}

// suspectPort refuses pages of other ports of this machine, which any of its users may
// serve. They may use the server without a key, but not manage it.
func (h *handlers) suspectPort(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) && !h.hosts.Has(u.Host) {
			return forbidden(fmt.Sprintf("pages of %q may not manage this server without an API key; only its own console may", origin))
		}
	}
	return nil
}

// suspectReferer refuses what a browser fetches for a page of another site without an
// Origin, as it does for images and audio.
func suspectReferer(r *http.Request) error {
	if r.Header.Get("Origin") != "" {
		return nil // checked by suspectPage
	}
	if referer := r.Header.Get("Referer"); referer != "" {
		if u, err := url.Parse(referer); err != nil || !access.IsLoopback(u.Hostname()) {
			return forbidden(fmt.Sprintf("pages of %q may not use this server, which listens on the loopback interface, without an API key",
				referer))
		}
		return nil
	}
	if strings.EqualFold(r.Header.Get("Sec-Fetch-Site"), "cross-site") {
		return forbidden("pages of other sites may not use this server, which listens on the loopback interface, without an API key")
	}
	return nil
}

// suspectUser allows only root and the user who runs the server to manage it without a key:
// a reverse proxy usually runs as another user. If the system does not report the owner of
// a connection, every local user may.
func suspectUser(r *http.Request) error {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return nil // not from a connection
	}
	local, bad := netip.ParseAddrPort(addr.String())
	remote, worse := netip.ParseAddrPort(r.RemoteAddr)
	if err := errors.Join(bad, worse); err != nil {
		return behindProxy("the address of the connection cannot be read, and this server requires no API key")
	}
	uid, err := access.Owner(local, remote)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return behindProxy("no process on this machine holds the other end of the connection, and this route manages the server")
	case uid != 0 && uid != os.Geteuid():
		return behindProxy(fmt.Sprintf("the request came from a process of another user (uid %d), possibly a reverse proxy, and this route "+
			"manages the server", uid))
	}
	return nil
}

// forwarding are the headers in which proxies describe the original request.
var forwarding = []string{
	"Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "X-Original-Forwarded-For", "X-Original-Host",
	"True-Client-Ip", "Cf-Connecting-Ip", "Cdn-Loop",
}

// forwardingHeader returns the name of a header that only proxies send, or "".
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
		Message: what + "; send an API key as Authorization: Bearer KEY (create one with grym-synth keys create), and set api.hosts " +
			"to the public name of the server " +
			"and api.trustedProxies to the address of the proxy",
	}
}

func forbidden(message string) error {
	return &problem.HTTPError{Status: http.StatusForbidden, Slug: "forbidden_origin", Title: "Forbidden", Message: message}
}

// hostname returns a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
