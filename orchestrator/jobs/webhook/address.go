package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"github.com/grym-synth/grym-synth/internal/publicaddr"
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

// checkDial is a net.Dialer's Control: it checks the address that a name resolved to,
// so that DNS cannot bypass the check.
func checkDial(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s", ErrForbiddenAddress, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil || !publicaddr.Is(target.Addr()) {
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
	if local := host == "localhost" || strings.HasSuffix(host, ".localhost"); local || err == nil && !publicaddr.Is(addr) {
		return refuse("must lead to a public address, got the host %.200q: %v", host, ErrForbiddenAddress)
	}
	return nil
}
