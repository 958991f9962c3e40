package recordstest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// FreePorts returns ports on which nothing listens.
func FreePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		var config net.ListenConfig
		l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()                                     // only at the end, so that all differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of TCP
	}
	return ports
}
