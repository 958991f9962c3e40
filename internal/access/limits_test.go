package access

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestConfigurationLimits(t *testing.T) {
	t.Parallel()
	require.Equal(t, Config{Mode: "auto", FailuresPerMinute: 10}, DefaultConfig())
	for _, mode := range []string{ModeAuto, ModeKeys, ModeOff} {
		for _, n := range []int{0, 1, 1000} {
			require.Empty(t, Config{Mode: mode, FailuresPerMinute: n}.Validate())
		}
		errs := Config{Mode: mode, FailuresPerMinute: -1}.Validate()
		require.Len(t, errs, 1)
		require.EqualError(t, errs[0], "failuresPerMinute: must not be negative, got -1")
	}
	for _, mode := range []string{"", "on", "Auto", "keysoff"} {
		errs := Config{Mode: mode}.Validate()
		require.Len(t, errs, 1, mode)
		require.ErrorContains(t, errs[0], "mode: must be auto, keys or off")
	}
}

// TestHostLimits has each limit of RFC 1035 and of ports, and what is just beyond it.
func TestHostLimits(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	longest := strings.Repeat(label+".", 3) + strings.Repeat("b", 61) // 253 characters
	valid := map[string][2]string{
		"audio.example": {"audio.example", ""}, "AUDIO.Example.": {"audio.example", ""}, "a-b_c.0": {"a-b_c.0", ""},
		"az.09": {"az.09", ""}, label: {label, ""}, longest: {longest, ""},
		"audio.example:1": {"audio.example", "1"}, "audio.example:65535": {"audio.example", "65535"},
		"192.0.2.1": {"192.0.2.1", ""}, "192.0.2.1:80": {"192.0.2.1", "80"}, "::ffff:192.0.2.1": {"192.0.2.1", ""},
		"2001:DB8::1": {"2001:db8::1", ""}, "[2001:db8::1]": {"2001:db8::1", ""}, "[2001:db8::1]:443": {"2001:db8::1", "443"},
	}
	for text, want := range valid {
		name, port, err := parseHost(text)
		require.NoError(t, err, text)
		require.Equal(t, want, [2]string{name, port}, text)
	}
	for _, text := range []string{
		"", ".", "a..b", label + "a", longest + "b", "-a", "a-", "a.-b", "a b", "a*", "ä.example", "`", "a{", "a/", "a:b",
		"audio.example:", "audio.example:0", "audio.example:65536", "audio.example:x", "audio.example:-1", ":80",
		"[2001:db8::1", "[2001:db8::1]80", "[2001:db8::1]:", "[2001:db8::1]:0", "[2001:db8::1]x:1", "[audio.example]", "[192.0.2.1]:80",
		"[fe80::1%eth0]", "fe80::1%eth0",
	} {
		_, _, err := parseHost(text)
		require.ErrorContains(t, err, "must be host names as in a Host header", text)
		_, errs := ParseHosts([]string{"audio.example", text})
		require.Len(t, errs, 1, text)
		hosts, _ := ParseHosts([]string{"audio.example"})
		require.False(t, hosts.Has(text), text)
	}
}

// TestHostsOfEveryPort has the ports that a host matches.
func TestHostsOfEveryPort(t *testing.T) {
	t.Parallel()
	hosts, errs := ParseHosts([]string{"any.example", "two.example:8443", "two.example:9", "web.example:80", "tls.example:443"})
	require.Empty(t, errs)
	for host, want := range map[string]bool{
		"any.example": true, "any.example:1": true, "ANY.example.": true, "none.example": false, "": false,
		"two.example:8443": true, "two.example:9": true, "two.example:80": false, "two.example": false,
		"web.example": true, "web.example:80": true, "web.example:443": false, "tls.example": true, "tls.example:443": true,
		"tls.example:80": false,
	} {
		require.Equal(t, want, hosts.Has(host), host)
	}
	empty, errs := ParseHosts(nil)
	require.Empty(t, errs)
	require.False(t, empty.Has(""))
}

// TestTokenLimits has the characters beside those of tokens and of ports.
func TestTokenLimits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"azAZ09", "!#$%&'*+-.^_`|~", "a", "z", "A", "Z", "0", "9"} {
		for _, after := range []string{"", " ", "=", ";", ",", "@", "[", "{", "/", ":", "\"", "\\", "é"} {
			token, rest := cutToken(text + after)
			require.Equal(t, [2]string{text, after}, [2]string{token, rest})
		}
	}
	for _, text := range []string{"", ":1", ":0", ":65535", ":99999", ":_a", ":_z", ":_A", ":_Z", ":_0", ":_9", ":_.",
		":__", ":_-", ":_abcdefgh"} {
		require.True(t, isNodePort(text), text)
	}
	for _, text := range []string{":", "1", "_a", ":_", ":a", ":100000", ":1/", ":1:", ":_/", ":_:", ":_@", ":_[", ":_`",
		":_{", ":_,", ":1-", ":1_"} {
		require.False(t, isNodePort(text), text)
	}
	for text, want := range map[string]string{`=a;b`: "a", `="a\"b";c`: `a"b`, `="a\\"`: `a\`, `=""`: ""} {
		value, _, ok := forwardedValue(text)
		require.True(t, ok, text)
		require.Equal(t, want, value, text)
	}
	for _, text := range []string{"", "=", "a", "=;", `="`, `="a`, `="a\`, `="a\"`} {
		_, _, ok := forwardedValue(text)
		require.False(t, ok, text)
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "192.0.2.1": "192.0.2.1", "@": "@", "": "", "unix socket": "unix socket",
		"[2001:db8:0:1:2::3]:80": "2001:db8:0:1::/64", "[fe80::1%eth0]:80": "fe80::/64",
	} {
		require.Equal(t, want, network(remote), remote)
	}
}

// TestAFullMapMakesRoom fills the map to its limit: entries that say nothing go first, and
// one other if there are none.
func TestAFullMapMakesRoom(t *testing.T) {
	t.Parallel()
	fill := func(n, useless int) map[int]bool {
		m := make(map[int]bool)
		for i := range n {
			m[i] = i < useless
		}
		return m
	}
	for _, c := range []struct{ entries, useless, want int }{
		{0, 0, 0}, {remembered - 1, remembered - 1, remembered - 1}, {remembered, 0, remembered - 1},
		{remembered, 1, remembered - 1}, {remembered, 10, remembered - 10}, {remembered, remembered, 0},
	} {
		m := fill(c.entries, c.useless)
		makeRoom(m, func(useless bool) bool { return useless })
		require.Equal(t, c.want, len(m), "%+v", c) //nolint:testifylint // Len would print the map
		for i, useless := range m {
			require.False(t, useless && c.entries == remembered, "entry %d is useless and was left", i)
		}
	}
}

// TestAnAddressThatHasRecoveredIsForgotten fills the memory with addresses that may send
// all their keys again: the one that may not is remembered.
func TestAnAddressThatHasRecoveredIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := NewFailures(2)
		for i := range remembered - 1 {
			f.addresses[fmt.Sprint(i)] = rate.NewLimiter(2, 2)
		}
		for range 2 {
			_, refused := f.Failed("192.0.2.1:5")
			require.False(t, refused)
		}
		require.Len(t, f.addresses, remembered)
		_, refused := f.Failed("192.0.2.2:5")
		require.False(t, refused)
		require.Len(t, f.addresses, 2)
		wait, refused := f.Failed("192.0.2.1:5")
		require.True(t, refused)
		require.Equal(t, 30*time.Second, wait.Round(time.Millisecond))
		time.Sleep(wait + time.Millisecond)
		_, refused = f.Failed("192.0.2.1:5")
		require.False(t, refused)
	})
	_, refused := NewFailures(-1).Failed("192.0.2.1")
	require.False(t, refused)
}

func TestPrefixesOfProxies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"10.0.0.0/1", "::/1", "192.0.2.1/32", "192.0.2.1", "2001:db8::/128"} {
		_, errs := ParseProxies([]string{text})
		require.Empty(t, errs, text)
	}
	for text, want := range map[string]string{
		"0.0.0.0/0": "would trust every address", "::/0": "would trust every address", "::ffff:0:0/96": "IPv4-mapped",
		"fe80::1%eth0": "must be addresses", "proxy.example": "must be addresses", "": "must be addresses", "10.0.0.0/33": "must be addresses",
	} {
		_, errs := ParseProxies([]string{"192.0.2.1", text})
		require.Len(t, errs, 1, text)
		require.ErrorContains(t, errs[0], want)
	}
	p, _ := ParseProxies([]string{"10.1.2.3/8"})
	require.True(t, p.trusts(netip.MustParseAddr("10.255.0.1")))
	require.False(t, p.trusts(netip.MustParseAddr("11.0.0.0")))
	require.Empty(t, lastOf(nil))
	require.Equal(t, "b", lastOf([]string{"x", "a,\tb "}))
}
