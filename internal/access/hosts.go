package access

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Hosts are the public names of the server, each with its ports; the port "" allows any.
type Hosts map[string]map[string]bool

// ParseHosts parses names such as audio.example and audio.example:8443. It returns an error
// for each invalid name.
func ParseHosts(list []string) (Hosts, []error) {
	hosts := make(Hosts)
	var errs []error
	for _, text := range list {
		name, port, err := parseHost(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if hosts[name] == nil {
			hosts[name] = make(map[string]bool)
		}
		hosts[name][port] = true
	}
	return hosts, errs
}

// Has reports whether a Host header names one of the hosts. A host with port 80 or 443 also
// matches without a port, because clients omit default ports.
func (h Hosts) Has(host string) bool {
	name, port, err := parseHost(host)
	if err != nil {
		return false
	}
	ports := h[name]
	return ports[""] || ports[port] || port == "" && (ports["80"] || ports["443"])
}

// parseHost returns the name in lower case and the port, or "".
func parseHost(text string) (name, port string, err error) {
	name = text
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inside, rest, _ := strings.Cut(inner, "]")
		if !strings.HasPrefix(rest, ":") && rest != "" || !strings.Contains(text, "]") || !strings.Contains(inside, ":") {
			return "", "", hostError(text)
		}
		name, port = inside, strings.TrimPrefix(rest, ":")
		if rest != "" && !isPort(port) {
			return "", "", hostError(text)
		}
	} else if before, after, ok := strings.Cut(text, ":"); ok && !strings.Contains(after, ":") {
		if name, port = before, after; !isPort(port) {
			return "", "", hostError(text)
		}
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Zone() == "" {
		return addr.Unmap().String(), port, nil
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !isName(name) {
		return "", "", hostError(text)
	}
	return name, port, nil
}

func hostError(text string) error {
	return fmt.Errorf("must be host names as in a Host header, such as audio.example or audio.example:8443, "+
		"without a scheme, path or wildcard, and with non-ASCII names as xn--..., got %q", text)
}

// isName reports whether a lower-case text is a valid host name.
func isName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.ContainsFunc(label, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' }) {
			return false
		}
	}
	return true
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// IsLoopback reports whether a host, without a port, is the machine itself: localhost or
// an address of the loopback interface.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
