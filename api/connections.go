package api

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/services"
)

// The process's file descriptors are shared by connections, the files of requests and the
// store. Each connection counts twice, since an upload has a file; ownFiles are left to the
// rest. Beyond the limit, a few spare connections are accepted for the probes alone: what is
// asked on them is refused unless it is a probe, they end with their first answer, and they
// do not wait for clients that send nothing. When these are in use too, accepting pauses.
const (
	ownFiles     = 36
	leastConns   = 4
	mostConns    = 1 << 20
	leastSpare   = 4
	mostSpare    = 16
	spareSilence = 250 * time.Millisecond
	spareTime    = 2 * time.Second
)

// connLimits returns how many connections and how many spare ones the process's limit of
// file descriptors allows.
func connLimits() (conns, spare int) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return mostConns, mostSpare
	}
	return connLimitsFor(uint64(limit.Cur)) //nolint:unconvert // signed on some systems
}

func connLimitsFor(descriptors uint64) (conns, spare int) {
	files := int(min(descriptors, math.MaxInt32))
	conns = min(max((files-ownFiles)/2, leastConns), mostConns)
	return conns, min(max(conns/2, leastSpare), mostSpare)
}

// connections is a listener that limits the open connections. Safe for concurrent use.
type connections struct {
	net.Listener
	most  int
	slots chan struct{} // of all connections, spare ones included
	// keepAlive enables keep-alives, or disables them and closes idle connections.
	keepAlive func(enabled bool)

	closing sync.Once
	closed  chan struct{}
	mu      sync.Mutex
	open    int
	pressed bool
}

func limitConnections(listener net.Listener, conns, spare int) *connections {
	return &connections{Listener: listener, most: conns, slots: make(chan struct{}, conns+spare), closed: make(chan struct{})}
}

// Accept implements net.Listener. It pauses while every connection is in use.
func (c *connections) Accept() (net.Conn, error) {
	select {
	case c.slots <- struct{}{}:
	default:
		c.press()
		select {
		case c.slots <- struct{}{}:
		case <-c.closed:
			return nil, net.ErrClosed
		}
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		<-c.slots
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			c.press()
		}
		return nil, err
	}
	limited := &limitedConn{Conn: conn, of: c, accepted: time.Now()}
	if c.count(1) {
		c.press()
		limited.spare = c.count(0)
	}
	return limited, nil
}

// count adds n open connections and reports whether there are more than the limit. Once
// there are clearly fewer, keep-alives are enabled again.
func (c *connections) count(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
	if n < 0 && c.pressed && c.open <= c.most*3/4 {
		c.pressed = false
		c.keepAlive(true)
	}
	return c.open > c.most
}

// press closes idle connections.
func (c *connections) press() {
	c.mu.Lock()
	c.pressed = true
	c.mu.Unlock()
	c.keepAlive(false) // without the lock: it closes connections
}

// Close implements net.Listener.
func (c *connections) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// limitedConn is one connection of the listener.
type limitedConn struct {
	net.Conn
	of       *connections
	accepted time.Time
	// spare is set if the connection is only for a probe.
	spare bool

	closing sync.Once
	mu      sync.Mutex
	began   bool
}

// Read implements net.Conn.
func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.spare && n > 0 {
		c.mu.Lock()
		c.began = true
		c.mu.Unlock()
	}
	return n, err
}

// SetReadDeadline implements net.Conn. That of a spare connection is always near.
func (c *limitedConn) SetReadDeadline(at time.Time) error {
	if c.spare {
		c.mu.Lock()
		last := c.accepted.Add(spareSilence)
		if c.began {
			last = c.accepted.Add(spareTime)
		}
		c.mu.Unlock()
		if at.IsZero() || at.After(last) {
			at = last
		}
	}
	return c.Conn.SetReadDeadline(at)
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.closing.Do(func() {
		c.of.count(-1)
		<-c.of.slots
	})
	return err
}

type spareKey struct{}

// withSpare marks the requests of a spare connection.
func withSpare(ctx context.Context, conn net.Conn) context.Context {
	if limited, ok := conn.(*limitedConn); ok && limited.spare {
		return context.WithValue(ctx, spareKey{}, true)
	}
	return ctx
}

// probeOperations are answered on spare connections.
var probeOperations = map[string]bool{"getLiveness": true, "getReadiness": true, "getServiceReadiness": true, "getHealth": true}

// onlyProbes refuses what is no probe on a spare connection.
func (h *handlers) onlyProbes(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if spare, _ := r.Context().Value(spareKey{}).(bool); spare {
				w.Header().Set("Connection", "close")
				if !probeOperations[h.operations.of(r).id] {
					fault := services.Faultf(services.KindBusy, "the server has as many connections as it can have")
					fault.RetryAfter = time.Second
					problems.Write(w, r, fault)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
