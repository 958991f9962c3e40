package api

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConnectionsByDescriptors(t *testing.T) {
	t.Parallel()
	for descriptors, want := range map[uint64][2]int{
		0: {4, 4}, 44: {4, 4}, 64: {14, 7}, 256: {110, 16}, 1024: {494, 16}, 1 << 20: {524270, 16}, 1 << 63: {1 << 20, 16},
	} {
		conns, spare := connLimitsFor(descriptors)
		require.Equal(t, want, [2]int{conns, spare}, descriptors)
	}
}

// queue is a listener whose connections come from a channel.
type queue struct {
	net.Listener
	conns chan net.Conn
	err   error
}

func (q *queue) Accept() (net.Conn, error) {
	if q.err != nil {
		return nil, q.err
	}
	return <-q.conns, nil
}

func (q *queue) Close() error { return nil }

// TestAcceptingPauses has one connection, a spare one, and a third that waits until one of
// them ends.
func TestAcceptingPauses(t *testing.T) {
	t.Parallel()
	q := &queue{conns: make(chan net.Conn, 3)}
	for range 3 {
		conn, other := net.Pipe()
		t.Cleanup(func() { _ = other.Close() })
		q.conns <- conn
	}
	c := limitConnections(q, 1, 1)
	alive := make(chan bool, 9)
	c.keepAlive = func(enabled bool) { alive <- enabled }
	accept := func() *limitedConn {
		t.Helper()
		conn, err := c.Accept()
		require.NoError(t, err)
		return conn.(*limitedConn) //nolint:forcetypeassert // its only kind
	}
	first := accept()
	require.False(t, first.spare)
	require.Empty(t, alive)
	second := accept()
	require.True(t, second.spare)
	require.False(t, <-alive, "idle connections are closed")
	require.NoError(t, second.SetReadDeadline(time.Now().Add(time.Hour)))
	_, err := second.Read(make([]byte, 1))
	var slow net.Error
	require.ErrorAs(t, err, &slow, "it does not wait for an hour")
	require.True(t, slow.Timeout())

	third := make(chan *limitedConn)
	go func() { third <- accept() }()
	require.False(t, <-alive)
	select {
	case <-third:
		require.Fail(t, "a connection too many")
	default:
	}
	require.NoError(t, errors.Join(first.Close(), first.Close()))
	require.True(t, (<-third).spare, "the second is still open")
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err = c.Accept()
	require.ErrorIs(t, err, net.ErrClosed, "a stop ends the pause")
}

// TestNoDescriptorIsLeft has accept fail.
func TestNoDescriptorIsLeft(t *testing.T) {
	t.Parallel()
	c := limitConnections(&queue{err: syscall.EMFILE}, 1, 1)
	pressed := 0
	c.keepAlive = func(enabled bool) {
		require.False(t, enabled)
		pressed++
	}
	for range 5 {
		_, err := c.Accept()
		require.ErrorIs(t, err, syscall.EMFILE)
	}
	require.Equal(t, 5, pressed)
}
