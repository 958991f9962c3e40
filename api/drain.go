package api

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
)

// A client that sends its whole body before it reads the response gets a broken pipe if
// the server closes the connection first. The rest of a refused body is therefore read and
// discarded: at most drainBytes, for at most drainTime, and while each piece arrives within
// drainPause.
const (
	drainBytes = 1 << 30
	drainTime  = 30 * time.Second
	drainPause = 5 * time.Second
	// drainBriefly replaces drainTime for a client that was cut off because it was slow,
	// or that waits for 100 Continue and therefore reads the response first.
	drainBriefly = time.Second
	// drainLittle is what net/http drains itself before it sends the response.
	drainLittle = 256 << 10
)

// pending reports whether net/http would close the connection before it has read the rest
// of the body. It reads a small rest itself, but not of a request whose connection ends
// with the answer.
func (b *pacedBody) pending() bool {
	if b.ended {
		return false
	}
	rest := b.length - b.read
	return b.late || b.asks || b.length < 0 || rest >= drainLittle || b.closes && rest > 0
}

// drain discards the rest of the body after the response is sent, until the limits are
// reached or the server stops.
func (b *pacedBody) drain(ctx context.Context) {
	ctx, cancel := web.UntilDrain(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = b.control.SetReadDeadline(time.Now()) })()
	allowed := drainTime
	if b.late || b.asks && b.read == 0 {
		allowed = drainBriefly
	}
	last := time.Now().Add(allowed)
	buffer := make([]byte, 32<<10)
	for left := drainBytes; left > 0 && ctx.Err() == nil; {
		next := time.Now().Add(drainPause)
		if next.After(last) {
			next = last
		}
		if b.control.SetReadDeadline(next) != nil {
			break // no connection, as in tests: nothing would bound the wait
		}
		n, err := b.ReadCloser.Read(buffer)
		left -= n
		if err != nil {
			break
		}
	}
	// Keep net/http from waiting for more.
	_ = b.control.SetReadDeadline(time.Now())
}
