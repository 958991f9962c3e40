package publicaddr

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// publicAddresses lists addresses and whether they are public.
var publicAddresses = map[string]bool{
	"93.184.216.34":        true,
	"8.8.8.8":              true,
	"172.15.255.255":       true,
	"172.32.0.1":           true,
	"100.63.255.255":       true,
	"100.128.0.0":          true,
	"2606:2800:220:1::1":   true,
	"::ffff:93.184.216.34": true,
	"64:ff9b::5db8:d822":   true, // 93.184.216.34
	"2002:5db8:d822::1":    true, // the same

	"127.0.0.1":              false,
	"127.255.255.254":        false,
	"0.0.0.0":                false,
	"0.1.2.3":                false,
	"10.0.0.1":               false,
	"172.16.0.1":             false,
	"172.31.255.255":         false,
	"192.168.1.1":            false,
	"169.254.169.254":        false, // metadata of most clouds
	"168.63.129.16":          false, // Azure's platform
	"100.64.0.1":             false,
	"100.100.100.200":        false, // metadata of Alibaba Cloud
	"192.0.0.192":            false, // metadata of Oracle Cloud
	"192.0.2.1":              false,
	"198.18.0.1":             false,
	"224.0.0.1":              false,
	"255.255.255.255":        false,
	"240.0.0.1":              false,
	"::":                     false,
	"::1":                    false,
	"::7f00:1":               false, // 127.0.0.1, IPv4-compatible
	"::ffff:127.0.0.1":       false,
	"::ffff:10.0.0.1":        false,
	"::ffff:169.254.169.254": false,
	"::ffff:0:7f00:1":        false,
	"fe80::1":                false,
	"fe80::1%eth0":           false,
	"2606:2800:220:1::1%1":   false,
	"fec0::1":                false,
	"fc00::1":                false,
	"fd00:ec2::254":          false, // metadata of AWS
	"ff02::1":                false,
	"2001:db8::1":            false,
	"2001::1":                false, // Teredo
	"64:ff9b::7f00:1":        false, // 127.0.0.1
	"64:ff9b::a9fe:a9fe":     false, // 169.254.169.254
	"64:ff9b:1::1":           false,
	"2002:7f00:1::1":         false, // 127.0.0.1
	"2002:a00:1::1":          false, // 10.0.0.1
	"100::1":                 false,
}

func TestWhichAddressesArePublic(t *testing.T) {
	t.Parallel()
	for text, want := range publicAddresses {
		require.Equal(t, want, Is(netip.MustParseAddr(text)), text)
	}
	require.False(t, Is(netip.Addr{}))
}
