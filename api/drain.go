package api

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
)

// A client that sends its whole body before it reads sees a broken pipe and not the
// answer where the server closes the connection earlier. So the rest of a body that was
// refused is read and thrown away, but no more than drainBytes, for no longer than
// drainTime, and only while each piece comes within drainPause.
const (
	drainBytes = 1 << 30
	drainTime  = 30 * time.Second
	drainPause = 5 * time.Second
	// drainBriefly is the time for a client that was cut off for its slowness, or that
	// waits to be asked for the body and so reads the answer.
	drainBriefly = time.Second
	// drainLittle is what net/http drains by itself, before it answers.
	drainLittle = 256 << 10
)

// pending reports whether so much of the body is still to come that net/http would close
// the connection with the answer.
func (b *pacedBody) pending() bool {
	if b.ended {
		return false
	}
	return b.late || b.asks || b.length < 0 || b.length-b.read >= drainLittle
}

// drain throws away what is still to come of the body, once the answer is sent, until the
// bounds are reached or the server is to stop.
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
	// net/http waits for nothing more.
	_ = b.control.SetReadDeadline(time.Now())
}
