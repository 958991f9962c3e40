package access

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// remembered bounds the addresses that are kept.
const remembered = 10_000

// Failures bounds how many bad keys an address may send. Good keys are no concern
// of it: a bad client behind a shared address does not lock out the others. Safe
// for concurrent use.
type Failures struct {
	perMinute int

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
}

// NewFailures returns a Failures that allows perMinute bad keys a minute from an
// address; 0 is no limit.
func NewFailures(perMinute int) *Failures {
	return &Failures{perMinute: perMinute, addresses: make(map[string]*rate.Limiter)}
}

// Failed counts a bad key. It reports whether the address has sent too many, and
// when it may send the next. remote is a host, with or without a port.
func (f *Failures) Failed(remote string) (wait time.Duration, refused bool) {
	if f.perMinute <= 0 {
		return 0, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name := network(remote)
	limiter := f.addresses[name]
	if limiter == nil {
		makeRoom(f.addresses, func(l *rate.Limiter) bool { return l.Tokens() >= float64(f.perMinute) })
		limiter = rate.NewLimiter(rate.Limit(float64(f.perMinute)/60), f.perMinute)
		f.addresses[name] = limiter
	}
	if limiter.Allow() {
		return 0, false
	}
	missing := 1 - limiter.Tokens()
	return time.Duration(missing / float64(limiter.Limit()) * float64(time.Second)), true
}

// makeRoom drops what is useless from a full map, and else any one entry.
func makeRoom[K comparable, V any](m map[K]V, useless func(V) bool) {
	if len(m) < remembered {
		return
	}
	for key, value := range m {
		if useless(value) {
			delete(m, key)
		}
	}
	for key := range m {
		if len(m) >= remembered {
			delete(m, key)
		}
		return
	}
}

// network returns what counts as one address: an IPv6 host has a whole /64.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		if prefix, err := ip.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return ip.String()
}
