package access

import (
	"net/netip"
	"slices"
	"strings"
)

// maxHops limits the number of proxies that are followed.
const maxHops = 32

// hop is an element of a forwarding header. An address that is hidden, unknown or malformed
// is the zero Addr.
type hop struct {
	addr        netip.Addr
	proto, host string
}

// parseForwarded parses the lines of a Forwarded header (RFC 7239) as one list, the nearest
// proxy first, at most maxHops elements. It reports false if any part is malformed: an open
// quote written by the client could otherwise hide what a proxy appended.
func parseForwarded(lines []string) ([]hop, bool) {
	text := strings.Join(lines, ",")
	var hops []hop
	var now hop
	seen := make(map[string]bool, 4)
	for {
		text = strings.TrimLeft(text, " \t")
		if name, rest := cutToken(text); name != "" {
			name = strings.ToLower(name)
			value, rest, ok := forwardedValue(rest)
			if !ok || seen[name] {
				return nil, false
			}
			seen[name] = true
			now.set(name, value)
			text = strings.TrimLeft(rest, " \t")
		}
		if text != "" && text[0] == ';' {
			text = text[1:]
			continue
		}
		if text != "" && text[0] != ',' {
			return nil, false
		}
		if len(seen) > 0 { // a list may have empty elements
			hops = append(hops, now)
			now = hop{}
			clear(seen)
		}
		if text == "" {
			break
		}
		text = text[1:]
	}
	slices.Reverse(hops)
	return hops[:min(len(hops), maxHops)], true
}

func (h *hop) set(name, value string) {
	switch name {
	case "for":
		h.addr = parseNode(value)
	case "proto":
		h.proto = value
	case "host":
		h.host = value
	}
}

// forwardedValue parses "=" followed by a token or a quoted string.
func forwardedValue(text string) (value, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, "=")
	if !ok || text == "" {
		return "", "", false
	}
	if text[0] != '"' {
		value, rest = cutToken(text)
		return value, rest, value != ""
	}
	var plain strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return plain.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			plain.WriteByte(text[i])
		default:
			plain.WriteByte(c)
		}
	}
	return "", "", false
}

// cutToken cuts a token (RFC 9110) from the beginning of a text.
func cutToken(text string) (token, rest string) {
	end := strings.IndexFunc(text, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end:]
}

// parseForwardedFor parses the lines of an X-Forwarded-For header as one list, the nearest
// proxy first, at most maxHops elements.
func parseForwardedFor(lines []string) []hop {
	var hops []hop
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			if len(hops) == maxHops {
				return hops
			}
			end := strings.LastIndexByte(line, ',')
			hops = append(hops, hop{addr: parseNode(strings.Trim(line[end+1:], " \t"))})
			if more = end >= 0; more {
				line = line[:end]
			}
		}
	}
	return hops
}

// parseNode returns the address in 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or
// [2001:db8::1]:80, where the port may be obfuscated, as in _x. For anything else it
// returns the zero Addr: "unknown", obfuscated names, and addresses with a zone, which is
// free text and would be logged.
func parseNode(text string) netip.Addr {
	if len(text) > 128 {
		return netip.Addr{}
	}
	bare := text
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inside, port, closed := strings.Cut(inner, "]")
		if !closed || !isNodePort(port) || !strings.Contains(inside, ":") {
			return netip.Addr{}
		}
		bare = inside
	} else if colon := strings.IndexByte(text, ':'); colon >= 0 && colon == strings.LastIndexByte(text, ':') {
		if !isNodePort(text[colon:]) {
			return netip.Addr{}
		}
		bare = text[:colon]
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// isNodePort reports whether text is empty, or a colon with a port number or an obfuscated
// port.
func isNodePort(text string) bool {
	if text == "" {
		return true
	}
	port := strings.TrimPrefix(text, ":")
	obfuscated := strings.HasPrefix(port, "_")
	if len(port) == len(text) || port == "" || port == "_" || !obfuscated && len(port) > 5 {
		return false
	}
	return !strings.ContainsFunc(port, func(c rune) bool {
		if c >= '0' && c <= '9' {
			return false
		}
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_' || c == '-'
		return !obfuscated || !letter
	})
}
