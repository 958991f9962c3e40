package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/grym-synth/grym-synth/services"
)

// ErrForbiddenAddress is returned for a receiver with a forbidden address.
var ErrForbiddenAddress = errors.New(
	"webhooks do not go to loopback, link-local, private or reserved addresses; jobs.webhooks.allowPrivate allows them")

// ErrNoPublicAddress is returned for a receiver whose name has no address that may be
// called.
var ErrNoPublicAddress = errors.New(
	"the receiver's name leads to no public address; jobs.webhooks.allowPrivate allows loopback, link-local, private and reserved ones")

// maxURL is the maximum length of a URL in bytes.
const maxURL = 2048

// reserved are networks of no public host, beside those that netip has names for
// (IANA's special-purpose registries, RFC 6890).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network; Linux takes 0.0.0.0 for loopback
	netip.MustParsePrefix("100.64.0.0/10"),    // shared by carriers; metadata of some clouds
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's platform, as a virtual machine sees it
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments; metadata of some clouds
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // relays from 6to4
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, and the broadcast address
	netip.MustParsePrefix("2001::/23"),        // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("3fff::/20"),        // documentation
}

var (
	// global is the IPv6 space that is assigned to hosts.
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// public reports whether an address is publicly routable. For an address with an
// embedded IPv4 address, that one decides.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Zone() != "" || !addr.IsValid() {
		return false
	}
	if addr.IsUnspecified() || addr.IsLoopback() || addr.IsPrivate() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return false
	}
	for _, network := range reserved {
		if network.Contains(addr) {
			return false
		}
	}
	bytes := addr.As16()
	switch {
	case addr.Is4():
		return true
	case nat64.Contains(addr):
		return public(netip.AddrFrom4([4]byte(bytes[12:])))
	case sixTo4.Contains(addr):
		return public(netip.AddrFrom4([4]byte(bytes[2:6])))
	}
	return global.Contains(addr)
}

// checkDial is a net.Dialer's Control: it checks the address that a name resolved to,
// so that DNS cannot bypass the check.
func checkDial(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s", ErrForbiddenAddress, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil || !public(target.Addr()) {
		return ErrForbiddenAddress
	}
	return nil
}

// CheckURL returns a fault in the field callback_url if the URL of a receiver is not
// allowed. Names are not resolved: their addresses are checked when the message is
// sent.
func (s *Sender) CheckURL(text string) error {
	refuse := func(format string, args ...any) error { return services.Invalidf("callback_url", format, args...) }
	if len(text) > maxURL {
		return refuse("must have at most %d bytes, got %d", maxURL, len(text))
	}
	u, err := url.Parse(text)
	if err != nil {
		return refuse("is no URL: %.200q", text)
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("must begin with https:// or http://, got %.200q", text)
	case u.User != nil:
		return refuse("must not hold a user or a password; the message is signed instead")
	case host == "":
		return refuse("must name a host, got %.200q", text)
	case u.Fragment != "":
		return refuse("must not have a fragment (#), which is never sent")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return refuse("must have a port from 1 to 65535, got %.20q", port)
		}
	}
	if s.cfg.AllowPrivate {
		return nil
	}
	addr, err := netip.ParseAddr(host)
	if local := host == "localhost" || strings.HasSuffix(host, ".localhost"); local || err == nil && !public(addr) {
		return refuse("must lead to a public address, got the host %.200q: %v", host, ErrForbiddenAddress)
	}
	return nil
}
