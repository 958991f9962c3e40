package memprobe

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// LinkSpeed returns the speed of the fastest network link that is up, in bytes per second
// one way, as the kernel reports it. Virtual links may report none.
func (p Probe) LinkSpeed() (bytesPerSecond float64, err error) {
	const folder = "sys/class/net"
	entries, err := os.ReadDir(path.Join("/", p.Root, folder))
	if err != nil {
		return 0, ErrUnknown
	}
	for _, entry := range entries {
		state, err := p.read(path.Join(folder, entry.Name(), "operstate"))
		if err != nil || strings.TrimSpace(state) != "up" {
			continue
		}
		text, err := p.read(path.Join(folder, entry.Name(), "speed"))
		if err != nil {
			continue // a link that reports no speed fails to be read
		}
		megabits, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err == nil && megabits > 0 {
			bytesPerSecond = max(bytesPerSecond, megabits*1e6/8)
		}
	}
	if bytesPerSecond == 0 {
		return 0, ErrUnknown
	}
	return bytesPerSecond, nil
}
