package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses whose forwarding headers are trusted.
type Proxies struct{ trusted []netip.Prefix }

// Origin is where a request comes from.
type Origin struct {
	// Client is the client's address: host and port of a direct client, and only the
	// address of one behind a trusted proxy.
	Client string
	// Proxy is the address of the trusted proxy that is connected, or "".
	Proxy string
	// Scheme and Host are what the client requested from the trusted proxy, or "" if the
	// proxy does not report them.
	Scheme, Host string
}

// ParseProxies parses addresses and networks such as 192.0.2.1 and 2001:db8::/32. It
// returns an error for each invalid one.
func ParseProxies(list []string) (Proxies, []error) {
	var p Proxies
	var errs []error
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if addr, bad := netip.ParseAddr(text); bad == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("must be addresses or networks such as 127.0.0.1, ::1 or 10.0.0.0/8, got %q", text))
		case prefix.Bits() == 0:
			errs = append(errs, fmt.Errorf("%q would trust every address; list only the addresses of the proxies", text))
		case prefix.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("%q is an IPv4-mapped IPv6 network; write it as IPv4", text))
		default:
			p.trusted = append(p.trusted, prefix.Masked())
		}
	}
	return p, errs
}

// Origin returns where a request comes from. remote is the connected address, header
// returns the lines of a header. The headers are followed from right to left, as long as
// the proxy that wrote an element is trusted.
//
// X-Forwarded-For is used if present, and Forwarded only otherwise: most proxies write the
// former and pass the latter on as the client sent it.
func (p Proxies) Origin(remote string, header func(name string) []string) Origin {
	peer := parseNode(remote)
	if !p.trusts(peer) {
		return Origin{Client: remote}
	}
	origin := Origin{Client: remote, Proxy: peer.String()}
	var hops []hop
	if lines := header("X-Forwarded-For"); len(lines) > 0 {
		hops = parseForwardedFor(lines)
		origin.describe(lastOf(header("X-Forwarded-Proto")), lastOf(header("X-Forwarded-Host")))
	} else if lines := header("Forwarded"); len(lines) > 0 {
		hops, _ = parseForwarded(lines)
	} else {
		origin.describe(lastOf(header("X-Forwarded-Proto")), lastOf(header("X-Forwarded-Host")))
	}
	for _, hop := range hops {
		origin.describe(hop.proto, hop.host)
		if !hop.addr.IsValid() {
			break
		}
		origin.Client = hop.addr.String()
		if !p.trusts(hop.addr) {
			break
		}
	}
	return origin
}

// describe sets the scheme and host that a trusted proxy reports, if they are valid.
func (o *Origin) describe(scheme, host string) {
	if scheme = strings.ToLower(scheme); scheme == "http" || scheme == "https" {
		o.Scheme = scheme
	}
	if _, _, err := parseHost(host); err == nil {
		o.Host = host
	}
}

func (p Proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// lastOf returns the last element of a list, which the nearest proxy wrote.
func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.Trim(line[strings.LastIndexByte(line, ',')+1:], " \t")
}
