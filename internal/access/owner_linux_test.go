package access

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheOwnerOfAConnectionIsKnown(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", listen)
		if err != nil {
			t.Logf("no %s here: %v", listen, err)
			continue
		}
		client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		local, remote := netip.MustParseAddrPort(server.LocalAddr().String()), netip.MustParseAddrPort(server.RemoteAddr().String())
		uid, err := Owner(local, remote)
		require.NoError(t, err)
		require.Equal(t, os.Geteuid(), uid)
		require.NoError(t, client.Close())
		_, err = Owner(local, remote)
		require.ErrorContains(t, err, "no process", "a closed socket counts as root's in the kernel's table, and as nobody's here")
		require.NoError(t, server.Close())
		require.NoError(t, listener.Close())
	}
}

// TestTheKernelsTable has lines printed by Linux on a little-endian machine.
func TestTheKernelsTable(t *testing.T) {
	t.Parallel()
	if addr, ok := procAddr("0100007F:1F90"); !ok || addr.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Skip("the sample of /proc/net/tcp is of a little-endian machine, and this one is not")
	}
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 4712 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C351 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:1F90 01 00000000:00000000 00:00000000 00000000    34        0 4713 1 0000000000000000 20 4 30 10 -1
   4: B80D0120000000000000000001000000:C353 00000000000000000000000001000000:1F90 01 00000000:00000000 00:00000000 00000000    35        0 4714 1 0000000000000000 20 4 30 10 -1
   5: nonsense
`
	for from, want := range map[string]int{"127.0.0.1:50000": 33, "127.0.0.1:50001": -1, "127.0.0.1:50002": 34, "127.0.0.1:50003": -1,
		"[2001:db8::1]:50003": 35} {
		to := "127.0.0.1:8080"
		if strings.HasPrefix(from, "[") {
			to = "[::1]:8080"
		}
		uid, ok := findOwner(strings.NewReader(table), netip.MustParseAddrPort(from), netip.MustParseAddrPort(to))
		require.Equal(t, want >= 0, ok, from)
		if ok {
			require.Equal(t, want, uid, from)
		}
	}
}

// TestMalformedSocketsAreSkipped has lines that differ from the right one in one field.
func TestMalformedSocketsAreSkipped(t *testing.T) {
	t.Parallel()
	if addr, ok := procAddr("0100007F:1F90"); !ok || addr.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Skip("the sample of /proc/net/tcp is of a little-endian machine, and this one is not")
	}
	find := func(line string) (int, bool) {
		return findOwner(strings.NewReader(line), netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8080"))
	}
	const right = "1: 0100007F:C350 0100007F:1F90 01 0:0 00:0 0 33 0 4712"
	uid, ok := find(right)
	require.True(t, ok)
	require.Equal(t, 33, uid)
	for change, to := range map[string]string{
		"0100007F:C350": "0200007F:C350", "C350": "C351", "1F90": "1F91", " 33 ": " user ", " 4712": " 0", " 0 4712": " 4712",
		"0100007F:1F90": "0200007F:1F90", "0100007F": "0100007", ":C350": "", ":1F90": ":1F900",
	} {
		_, ok := find(strings.Replace(right, change, to, 1))
		require.False(t, ok, change)
	}
	_, ok = find("nonsense\n" + strings.Replace(right, "C350", "C351", 1) + "\n" + right)
	require.True(t, ok, "the lines after it are searched")
	for _, text := range []string{"", "0100007F", "0100007F:", ":1F90", "0100007G:1F90", "0100007F:1F9G",
		"0100007F00:1F90", "0100007F:10000"} {
		_, ok := procAddr(text)
		require.False(t, ok, text)
	}
}
