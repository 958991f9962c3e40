package access

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields returns the lines of a header that has each field once.
func fields(pairs map[string]string) func(string) []string {
	return func(name string) []string {
		if value, ok := pairs[name]; ok {
			return []string{value}
		}
		return nil
	}
}

const xff, std = "X-Forwarded-For", "Forwarded"

// originCases are requests with the origin that is found for them.
var originCases = map[string]struct {
	remote string
	header map[string]string
	want   Origin
}{
	"no proxy":     {"203.0.113.9:5", map[string]string{xff: "198.51.100.1"}, Origin{Client: "203.0.113.9:5"}},
	"nothing said": {"127.0.0.1:5", nil, Origin{Client: "127.0.0.1:5", Proxy: "127.0.0.1"}},
	"one hop":      {"127.0.0.1:5", map[string]string{xff: "198.51.100.1"}, Origin{Client: "198.51.100.1", Proxy: "127.0.0.1"}},
	"forged in front": {"127.0.0.1:5", map[string]string{xff: "127.0.0.1, 10.9.9.9, 198.51.100.1"}, Origin{Client: "198.51.100.1",
		Proxy: "127.0.0.1"}},
	"two hops": {"[::1]:5", map[string]string{xff: "192.0.2.7, 198.51.100.1, 10.1.2.3"}, Origin{Client: "198.51.100.1",
		Proxy: "::1"}},
	"all trusted": {"127.0.0.1:5", map[string]string{xff: "10.0.0.1, 10.0.0.2"}, Origin{Client: "10.0.0.1", Proxy: "127.0.0.1"}},
	"mapped peer": {"[::ffff:127.0.0.1]:5", map[string]string{xff: "198.51.100.1"}, Origin{Client: "198.51.100.1",
		Proxy: "127.0.0.1"}},
	"mapped proxy": {"192.0.2.200:5", map[string]string{xff: "198.51.100.1"}, Origin{Client: "198.51.100.1",
		Proxy: "192.0.2.200"}},
	"port": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1:4711"}, Origin{Client: "198.51.100.1",
		Proxy: "127.0.0.1"}},
	"IPv6": {"127.0.0.1:5", map[string]string{xff: "2001:db8::7"}, Origin{Client: "2001:db8::7", Proxy: "127.0.0.1"}},
	"IPv6 with port": {"127.0.0.1:5", map[string]string{xff: "[2001:db8::7]:4711"}, Origin{Client: "2001:db8::7",
		Proxy: "127.0.0.1"}},
	"garbage far away": {"127.0.0.1:5", map[string]string{xff: "\"<script>, 198.51.100.1"}, Origin{Client: "198.51.100.1",
		Proxy: "127.0.0.1"}},
	"garbage near": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1, what"}, Origin{Client: "127.0.0.1:5",
		Proxy: "127.0.0.1"}},
	"unknown behind one": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1, unknown, 10.0.0.1"}, Origin{Client: "10.0.0.1",
		Proxy: "127.0.0.1"}},
	"a zone is free text": {"127.0.0.1:5", map[string]string{xff: "fe80::1%a b"}, Origin{Client: "127.0.0.1:5", Proxy: "127.0.0.1"}},
	"scheme and host": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1", "X-Forwarded-Proto": "gopher, HTTPS",
		"X-Forwarded-Host": "evil.example, audio.example"}, Origin{"198.51.100.1", "127.0.0.1", "https", "audio.example"}},
	"nonsense for scheme": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1", "X-Forwarded-Proto": "gopher",
		"X-Forwarded-Host": "a b"}, Origin{Client: "198.51.100.1", Proxy: "127.0.0.1"}},
	"scheme and host alone": {"127.0.0.1:5", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "audio.example"},
		Origin{"127.0.0.1:5", "127.0.0.1", "https", "audio.example"}},
	"standard": {"127.0.0.1:5", map[string]string{std: `for=198.51.100.1;proto=https;host=audio.example;by=_here`},
		Origin{"198.51.100.1", "127.0.0.1", "https", "audio.example"}},
	"standard, forged": {"127.0.0.1:5",
		map[string]string{std: `for=127.0.0.1;host=evil.example, for=198.51.100.1;host="audio.example:8443"`}, Origin{"198.51.100.1",
			"127.0.0.1", "", "audio.example:8443"}},
	"standard, two": {"127.0.0.1:5", map[string]string{std: `for=192.0.2.9, For="[2001:DB8::7]:4711";Proto=https , ` +
		`for=10.0.0.1;proto=http`}, Origin{"2001:db8::7", "127.0.0.1", "https", ""}},
	"standard, hidden": {"127.0.0.1:5", map[string]string{std: `for=198.51.100.1, for=_secret;proto=https`},
		Origin{"127.0.0.1:5", "127.0.0.1", "https", ""}},
	"standard, unknown": {"127.0.0.1:5", map[string]string{std: `for=unknown`}, Origin{Client: "127.0.0.1:5", Proxy: "127.0.0.1"}},
	"standard, hidden port": {"127.0.0.1:5", map[string]string{std: `for="198.51.100.1:_http"`}, Origin{Client: "198.51.100.1",
		Proxy: "127.0.0.1"}},
	"standard, bare IPv6": {"127.0.0.1:5", map[string]string{std: `for=[2001:db8::7]`}, Origin{Client: "127.0.0.1:5",
		Proxy: "127.0.0.1"}},
	"standard, open quote": {"127.0.0.1:5", map[string]string{std: `for="192.0.2.1, for=198.51.100.1`}, Origin{Client: "127.0.0.1:5",
		Proxy: "127.0.0.1"}},
	"both, and one is forged": {"127.0.0.1:5", map[string]string{std: "for=192.0.2.1;host=evil.example", xff: "198.51.100.1"},
		Origin{Client: "198.51.100.1", Proxy: "127.0.0.1"}},
	"standard, too many": {"127.0.0.1:5", map[string]string{std: "for=198.51.100.1" + strings.Repeat(", for=10.0.0.1", 2*maxHops)},
		Origin{Client: "10.0.0.1", Proxy: "127.0.0.1"}},
	"too many": {"127.0.0.1:5", map[string]string{xff: "198.51.100.1" + strings.Repeat(", 10.0.0.1", 2*maxHops)},
		Origin{Client: "10.0.0.1", Proxy: "127.0.0.1"}},
}

func TestTheClientIsFoundBehindTrustedProxies(t *testing.T) {
	t.Parallel()
	proxies, errs := ParseProxies([]string{"127.0.0.1", "::1", "10.0.0.0/8", "2001:db8:1::/48", "::ffff:192.0.2.200"})
	require.Empty(t, errs)
	for name, c := range originCases {
		require.Equal(t, c.want, proxies.Origin(c.remote, fields(c.header)), name)
	}
	for header, lines := range map[string][]string{
		xff: {"192.0.2.1", "198.51.100.1", "10.0.0.1"},
		std: {"for=192.0.2.1", "for=198.51.100.1", "for=10.0.0.1"},
	} {
		several := func(name string) []string { return map[string][]string{header: lines}[name] }
		require.Equal(t, "198.51.100.1", proxies.Origin("127.0.0.1:1", several).Client, "the lines of %s are one list", header)
	}
}

// TestNodes has the forms of RFC 7239, section 6, and invalid ones that resemble them. IPv6
// addresses without brackets are only valid in X-Forwarded-For.
func TestNodes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:1": "192.0.2.1", "192.0.2.1:65535": "192.0.2.1", "192.0.2.1:_aZ9._-": "192.0.2.1",
		"2001:db8::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "[2001:db8::1]:80": "2001:db8::1", "[2001:db8::1]:_x": "2001:db8::1",
		"::ffff:192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
	} {
		require.Equal(t, want, parseNode(text).String(), text)
	}
	for _, text := range []string{
		"", "unknown", "_hidden", "audio.example", "192.0.2", "192.0.2.256", "192.0.2.1 ", "192.0.2.1/32",
		"192.0.2.1:", "192.0.2.1:x", "192.0.2.1:8x", "192.0.2.1:+80", "192.0.2.1:123456",
		"192.0.2.1:_", "192.0.2.1:_a b", "192.0.2.1:_<b>", "192.0.2.1:_ä", "192.0.2.1:_" + strings.Repeat("a", 128),
		"[192.0.2.1]", "[192.0.2.1]:80", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]80", "[2001:db8::1]:", "[2001:db8::1]:x",
		"[[2001:db8::1]]", "[]", "[:]",
		"fe80::1%eth0", "[fe80::1%eth0]:80",
	} {
		require.False(t, parseNode(text).IsValid(), text)
	}
}

// TestForwardedExamples has the examples of RFC 7239, sections 4, 6 and 7.1.
func TestForwardedExamples(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	for text, want := range map[string][]hop{
		`for="_gazonk"`:                                         {{}},
		`For="[2001:db8:cafe::17]:4711"`:                        {{addr: addr("2001:db8:cafe::17")}},
		`for=192.0.2.60;proto=http;by=203.0.113.43`:             {{addr: addr("192.0.2.60"), proto: "http"}},
		`for=192.0.2.43, for=198.51.100.17`:                     {{addr: addr("198.51.100.17")}, {addr: addr("192.0.2.43")}},
		`for=_hidden, for=_SEVKISEK`:                            {{}, {}},
		`for="192.0.2.43:47011"`:                                {{addr: addr("192.0.2.43")}},
		`for=192.0.2.43, for="[2001:db8:cafe::17]",for=unknown`: {{}, {addr: addr("2001:db8:cafe::17")}, {addr: addr("192.0.2.43")}},
		`for=192.0.2.1,, ;host="a\"b",`:                         {{host: `a"b`}, {addr: addr("192.0.2.1")}},
	} {
		hops, ok := parseForwarded([]string{text})
		require.True(t, ok, text)
		require.Equal(t, want, hops, text)
	}
	for _, text := range []string{`for`, `for=`, `for="1`, `for="1"x`, `for=1 for=2`, `for=[::1]`, `for=a;for=b`, `=a`, `for = a`, "for=\x00",
		`"for"=a`, `for=;proto=http`, `for=,for=1`} {
		_, ok := parseForwarded([]string{text})
		require.False(t, ok, text)
	}
}

func TestBadProxiesAndHostsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "proxy.example", "10.0.0.0/33", "127.0.0.1:80", "fe80::1%eth0", "0.0.0.0/0", "::/0",
		"::ffff:10.0.0.0/104"} {
		_, errs := ParseProxies([]string{text})
		require.Len(t, errs, 1, text)
	}
	for _, text := range []string{"", "https://audio.example", "audio.example/", "*.audio.example", "audio.example:", "audio.example:0",
		"audio.example:+80", "audio.example:99999", "müsik.example", "a b", "-a.example", "a-.example", "a..example", "[::1", "[1.2.3.4]",
		"[::1]x", "::1%lo", strings.Repeat("a", 64), strings.Repeat("a.", 128)} {
		_, errs := ParseHosts([]string{text})
		require.Len(t, errs, 1, text)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	hosts, errs := ParseHosts([]string{"Audio.Example", "other.example:8443", "tls.example:443", "192.0.2.1", "[2001:db8::1]:80"})
	require.Empty(t, errs)
	for host, want := range map[string]bool{
		"audio.example": true, "AUDIO.example.": true, "audio.example:1234": true, "sub.audio.example": false, "audio.example.evil": false,
		"other.example": false, "other.example:8443": true, "other.example:443": false, "tls.example": true, "tls.example:443": true,
		"tls.example:80": false,
		"192.0.2.1":      true, "192.0.2.1:99": true, "[2001:db8::1]": true, "[2001:db8:0::1]:80": true, "[2001:db8::1]:81": false, "": false,
		"a b": false,
	} {
		require.Equal(t, want, hosts.Has(host), host)
	}
}

// FuzzForwarded checks both headers: an invalid address is never used, and the element of a
// trusted proxy always counts, whatever the client wrote before it.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "for=192.0.2.1", `for="[2001:db8::1]:80";proto=https;host=a.example, for=unknown`, `for="\"`, ",,;",
		"192.0.2.1, unknown, [::1]:_x", "fe80::1%eth0", "for=a;for=b"} {
		f.Add(seed)
	}
	proxies, errs := ParseProxies([]string{"127.0.0.1"})
	require.Empty(f, errs)
	f.Fuzz(func(t *testing.T, text string) {
		hops, ok := parseForwarded([]string{text})
		require.True(t, ok || hops == nil)
		require.LessOrEqual(t, len(hops), maxHops)
		if ok {
			again, ok := parseForwarded([]string{text, `for=198.51.100.1;proto=https`})
			require.True(t, ok)
			require.Equal(t, hop{addr: netip.MustParseAddr("198.51.100.1"), proto: "https"}, again[0])
			require.True(t, slices.Equal(hops[:min(len(hops), maxHops-1)], again[1:]))
		}
		hops = parseForwardedFor([]string{text})
		require.LessOrEqual(t, len(hops), maxHops)
		for _, header := range []map[string]string{{"Forwarded": text}, {"X-Forwarded-For": text}} {
			client := proxies.Origin("127.0.0.1:5", fields(header)).Client
			if client != "127.0.0.1:5" {
				addr, err := netip.ParseAddr(client)
				require.NoError(t, err)
				require.Empty(t, addr.Zone())
				require.Equal(t, addr.String(), client, "in one form only")
			}
		}
		require.Equal(t, "198.51.100.1", proxies.Origin("127.0.0.1:5", fields(map[string]string{"X-Forwarded-For": text +
			", 198.51.100.1"})).Client)
		hosts, _ := ParseHosts([]string{text})
		require.Equal(t, len(hosts) == 1, hosts.Has(text))
	})
}

func TestTheMachineItselfIsLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		require.True(t, IsLoopback(host), host)
	}
	for _, host := range []string{"", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example", "127.1"} {
		require.False(t, IsLoopback(host), host)
	}
}
