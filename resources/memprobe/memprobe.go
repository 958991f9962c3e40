package memprobe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// ErrUnknown is returned if the system does not report the value, as outside Linux.
var ErrUnknown = errors.New("not known on this system")

// Probe reads memory figures below a root folder, "/" except in tests. The
// zero value reads the real system. Safe for concurrent use.
type Probe struct {
	Root string
}

func (p Probe) read(name string) (string, error) {
	data, err := os.ReadFile(path.Join("/", p.Root, name))
	if errors.Is(err, os.ErrNotExist) {
		return "", ErrUnknown
	}
	return strings.TrimSpace(string(data)), err
}

// Machine returns the memory of the whole machine.
func (p Probe) Machine() (services.Bytes, error) {
	text, err := p.read("proc/meminfo")
	if err != nil {
		return 0, err
	}
	return kilobytes(text, "MemTotal:")
}

// Resident returns the resident set of this process.
func (p Probe) Resident() (services.Bytes, error) {
	text, err := p.read("proc/self/status")
	if err != nil {
		return 0, err
	}
	return kilobytes(text, "VmRSS:")
}

// Peak returns the largest resident set since ResetPeak, or since the process started.
func (p Probe) Peak() (services.Bytes, error) {
	text, err := p.read("proc/self/status")
	if err != nil {
		return 0, err
	}
	return kilobytes(text, "VmHWM:")
}

// ResetPeak restarts the measurement of Peak.
func (p Probe) ResetPeak() error {
	// 5 resets the peak resident set; see proc(5).
	err := os.WriteFile(path.Join("/", p.Root, "proc/self/clear_refs"), []byte("5"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return ErrUnknown
	}
	return err
}

// kilobytes parses the line "key N kB".
func kilobytes(text, key string) (services.Bytes, error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == key {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return services.Bytes(n) * services.KiB, err
		}
	}
	return 0, fmt.Errorf("%s %w", key, ErrUnknown)
}

// CgroupLimit returns the smallest memory limit on the way from this process's control
// group up to the root, of version 2 or 1. ErrUnknown means that there is no limit.
func (p Probe) CgroupLimit() (services.Bytes, error) {
	groups, err := p.read("proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	limit := services.Bytes(0)
	for _, line := range bytes.Split([]byte(groups), []byte("\n")) {
		// Lines are "id:controllers:path"; version 2 has no controllers.
		parts := strings.SplitN(string(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[1] == "":
			limit = p.smallest(limit, "sys/fs/cgroup", parts[2], "memory.max")
		case strings.Contains(","+parts[1]+",", ",memory,"):
			limit = p.smallest(limit, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes")
		}
	}
	if limit == 0 {
		return 0, ErrUnknown
	}
	return limit, nil
}

// smallest returns the smallest limit between a group and the mount's root. Inside a
// container the path may name folders that only the host sees; those are passed over.
func (p Probe) smallest(limit services.Bytes, mount, group, file string) services.Bytes {
	for {
		if text, err := p.read(path.Join(mount, group, file)); err == nil {
			// "max" and version 1's huge number mean no limit.
			if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < 1<<60 {
				if found := services.Bytes(n); limit == 0 || found < limit {
					limit = found
				}
			}
		}
		if group == "/" || group == "." || group == "" {
			return limit
		}
		group = path.Dir(group)
	}
}
