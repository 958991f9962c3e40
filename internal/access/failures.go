package access

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// remembered bounds the addresses and the proved keys that are kept.
const remembered = 10_000

// Failures bounds how many bad keys an address may send. A key that was good from
// an address goes on being looked at, so that one bad client behind a shared
// address does not lock out the others. Safe for concurrent use.
type Failures struct {
	perMinute int

	mu        sync.Mutex
	addresses map[string]*rate.Limiter
	proved    map[[sha256.Size]byte]struct{}
}

// NewFailures allows so many bad keys a minute from an address; 0 is no limit.
func NewFailures(perMinute int) *Failures {
	return &Failures{perMinute: perMinute, addresses: make(map[string]*rate.Limiter), proved: make(map[[sha256.Size]byte]struct{})}
}

// Refused tells whether a key is not even looked at, and when it will be again.
// remote is host and port.
func (f *Failures) Refused(remote, key string) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter := f.addresses[network(remote)]
	if _, ok := f.proved[proof(remote, key)]; ok || limiter == nil {
		return 0, false
	}
	missing := 1 - limiter.Tokens()
	return time.Duration(missing / float64(limiter.Limit()) * float64(time.Second)), missing > 0
}

// Failed counts a bad key.
func (f *Failures) Failed(remote, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.proved, proof(remote, key))
	if f.perMinute <= 0 {
		return
	}
	name := network(remote)
	limiter := f.addresses[name]
	if limiter == nil {
		makeRoom(f.addresses, func(l *rate.Limiter) bool { return l.Tokens() >= float64(f.perMinute) })
		limiter = rate.NewLimiter(rate.Limit(float64(f.perMinute)/60), f.perMinute)
		f.addresses[name] = limiter
	}
	limiter.Allow()
}

// Proved takes note of a good key.
func (f *Failures) Proved(remote, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := proof(remote, key); f.perMinute > 0 {
		if _, ok := f.proved[p]; !ok {
			makeRoom(f.proved, func(struct{}) bool { return false })
			f.proved[p] = struct{}{}
		}
	}
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

// network is what counts as one address: an IPv6 host has a whole /64.
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

func proof(remote, key string) [sha256.Size]byte {
	return sha256.Sum256([]byte(network(remote) + "\x00" + key))
}
