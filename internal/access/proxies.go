package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses whose word is taken for where a request comes from.
type Proxies struct{ trusted []netip.Prefix }

// Origin is where a request comes from.
type Origin struct {
	// Client is the client's address: host and port for one that is connected
	// itself, and an address alone for one that a trusted proxy names.
	Client string
	// Proxy is the address of the trusted proxy that is connected; empty for none.
	Proxy string
	// Scheme and Host are what the client asked the trusted proxy for; empty where
	// it does not say.
	Scheme, Host string
}

// ParseProxies reads addresses and networks such as 192.0.2.1 and 2001:db8::/32.
// It returns an error for each that is bad.
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
			errs = append(errs, fmt.Errorf("%q would believe everybody; name the proxies' own addresses", text))
		case prefix.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("%q is an IPv4 network in IPv6; write it as IPv4", text))
		default:
			p.trusted = append(p.trusted, prefix.Masked())
		}
	}
	return p, errs
}

// Origin returns where a request comes from. remote is the address that is
// connected, header returns the lines of a header field. What the headers say is
// followed from right to left, for as long as the one who wrote it is trusted.
//
// X-Forwarded-For is read where there is one, and Forwarded only where there is
// none: most proxies write the former and pass the latter on as the client sent it.
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

// describe takes what a trusted proxy says of the request, if it can be true.
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

// lastOf returns the last item of a list, which the nearest proxy wrote.
func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.Trim(line[strings.LastIndexByte(line, ',')+1:], " \t")
}
