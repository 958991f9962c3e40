package access

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Owner returns the user whose process holds the other end of a TCP connection within this
// machine. local and remote are the addresses as the server sees them. It returns an error
// for a socket that cannot be found, such as one of another network namespace.
func Owner(local, remote netip.AddrPort) (uid int, err error) {
	var unread []error
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.Open(name)
		if err != nil {
			unread = append(unread, err) // tcp6 is missing if IPv6 is disabled
			continue
		}
		uid, ok := findOwner(table, remote, local)
		_ = table.Close()
		if ok {
			return uid, nil
		}
	}
	return 0, errors.Join(append(unread, fmt.Errorf("no process on this machine holds the connection from %s", remote))...)
}

// findOwner searches a table such as /proc/net/tcp for a socket by its addresses. A socket
// that its process has closed has no inode, and its user is not recorded.
func findOwner(table io.Reader, local, remote netip.AddrPort) (uid int, ok bool) {
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[9] == "0" {
			continue
		}
		from, ok1 := procAddr(fields[1])
		to, ok2 := procAddr(fields[2])
		if !ok1 || !ok2 || from != unmapped(local) || to != unmapped(remote) {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil
	}
	return 0, false
}

// procAddr parses an address as the kernel prints it: words of four bytes in the machine's
// byte order, and the port, all in hexadecimal.
func procAddr(text string) (netip.AddrPort, bool) {
	words, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(words)
	number, bad := strconv.ParseUint(port, 16, 16)
	if err != nil || bad != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return unmapped(netip.AddrPortFrom(addr, uint16(number))), ok
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
