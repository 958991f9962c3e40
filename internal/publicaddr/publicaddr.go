// Package publicaddr distinguishes addresses of the public Internet from those of networks
// that a client must not reach through the server.
package publicaddr

import "net/netip"

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

// Is reports whether an address is publicly routable. For an address with an
// embedded IPv4 address, that one decides.
func Is(addr netip.Addr) bool {
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
		return Is(netip.AddrFrom4([4]byte(bytes[12:])))
	case sixTo4.Contains(addr):
		return Is(netip.AddrFrom4([4]byte(bytes[2:6])))
	}
	return global.Contains(addr)
}
