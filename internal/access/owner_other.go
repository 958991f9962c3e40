//go:build !linux

package access

import (
	"errors"
	"net/netip"
)

// Owner returns errors.ErrUnsupported: the user at the other end of a connection is known
// on Linux only.
func Owner(_, _ netip.AddrPort) (uid int, err error) { return 0, errors.ErrUnsupported }
