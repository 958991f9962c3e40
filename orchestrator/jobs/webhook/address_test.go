package webhook

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/publicaddr"
	"github.com/grym-synth/grym-synth/services"
)

func TestOnlyPublicAddressesAreDialled(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"8.8.8.8:80": true, "127.0.0.1:80": false, "169.254.169.254:80": false, "[::1]:80": false} {
		err := checkDial("tcp6", address, nil)
		require.Equal(t, want, err == nil, "%s: %v", address, err)
	}
	require.ErrorIs(t, checkDial("udp4", "8.8.8.8:53", nil), ErrForbiddenAddress)
	require.ErrorIs(t, checkDial("tcp4", "no address", nil), ErrForbiddenAddress)
}

func TestURLsThatAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := New(DefaultConfig())
	for text, want := range map[string]string{
		"https://app.example/hooks?a=b":        "",
		"http://app.example:8080":              "",
		"https://93.184.216.34/x":              "",
		"https://[2606:2800:220:1::1]:443/":    "",
		"ftp://app.example/":                   "must begin with https:// or http://",
		"file:///etc/passwd":                   "must begin with https:// or http://",
		"//app.example/":                       "must begin with https:// or http://",
		"app.example":                          "must begin with https:// or http://",
		"":                                     "must begin with https:// or http://",
		"https://":                             "must name a host",
		"https://:80/":                         "must name a host",
		"https://user@app.example/":            "must not hold a user",
		"https://user:secret@app.example/":     "must not hold a user",
		"https://app.example/#x":               "fragment",
		"https://app.example:0/":               "port from 1 to 65535",
		"https://app.example:70000/":           "port from 1 to 65535",
		"https://app.example:x/":               "is no URL",
		"https://app exam/":                    "is no URL",
		"http://localhost:8080/":               "must lead to a public address",
		"http://LocalHost./":                   "must lead to a public address",
		"http://a.localhost/":                  "must lead to a public address",
		"http://127.0.0.1/":                    "must lead to a public address",
		"http://[::1]/":                        "must lead to a public address",
		"http://[::ffff:10.0.0.1]/":            "must lead to a public address",
		"http://[fe80::1%25eth0]/":             "must lead to a public address",
		"http://169.254.169.254/":              "must lead to a public address",
		"http://x.example/" + longPath(maxURL): "must have at most 2048 bytes",
		"https://app.example/\r\nHost: other":  "is no URL",
		"javascript:alert(1)":                  "must begin with https:// or http://",
		"https://app.example/hook#":            "",
		"https://0.0.0.0/":                     "must lead to a public address",
		"https://[::ffff:127.0.0.1]:8080/hook": "must lead to a public address",
		"https://[64:ff9b::7f00:1]/":           "must lead to a public address",
		"https://metadata.google.internal/":    "", // its address is looked at when it is dialled
		"https://2130706433/":                  "", // and so is this one's
	} {
		err := s.CheckURL(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "callback_url ")
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	}
	private := New(Config{AllowPrivate: true})
	require.NoError(t, private.CheckURL("http://127.0.0.1:9000/hook"))
	require.Error(t, private.CheckURL("http://user@127.0.0.1:9000/hook"))
}

func longPath(n int) string { return strings.Repeat("a", n) }

// FuzzURL holds that a URL which is let through names no host that its own address
// contains, as net/http parses it.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://app.example/", "http://[::ffff:127.0.0.1]:80/", "http://127.0.0.1.", "http://a@b/",
		"http://%31%32%37.0.0.1/", "http://LOCALHOST/", "http://１２７.0.0.1/",
	} {
		f.Add(seed)
	}
	s := New(DefaultConfig())
	f.Fuzz(func(t *testing.T, text string) {
		if s.CheckURL(text) != nil {
			return
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, text, nil)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, request.URL.Scheme)
		require.Nil(t, request.URL.User)
		host := request.URL.Hostname()
		require.NotEmpty(t, host)
		require.False(t, strings.EqualFold(host, "localhost"))
		if addr, err := netip.ParseAddr(host); err == nil {
			require.True(t, publicaddr.Is(addr), host)
		}
	})
}
