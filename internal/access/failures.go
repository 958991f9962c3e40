package access

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// remembered limits the number of addresses in memory.
const remembered = 10_000

// Failures limits the number of invalid keys per address. Valid keys are not limited: a
// client with an invalid key does not lock out others that share its address. It is safe
// for concurrent use.
type Failures struct {
	perMinute int

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
}

// NewFailures returns a Failures that allows perMinute invalid keys per minute from an
// address; 0 sets no limit.
func NewFailures(perMinute int) *Failures {
	return &Failures{perMinute: perMinute, addresses: make(map[string]*rate.Limiter)}
}

// Failed counts an invalid key. It reports whether the address has sent too many, and the
// time until it may send the next. remote is a host with or without a port.
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

// makeRoom deletes the useless entries of a full map, or else any one entry.
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

// network returns the key under which an address is counted; for IPv6 it is the /64
// network.
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
