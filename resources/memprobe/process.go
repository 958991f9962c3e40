package memprobe

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// tick is the unit of processor times in /proc: the kernel reports 100 ticks per second
// to user space on every architecture that Go supports.
const tick = 10 * time.Millisecond

// CPU returns the processor time of all threads of this process since its start.
func (p Probe) CPU() (time.Duration, error) {
	text, err := p.read("proc/self/stat")
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; after it, utime and stime are the
	// 12th and 13th fields. See proc_pid_stat(5).
	_, rest, _ := strings.Cut(text[max(strings.LastIndexByte(text, ')'), 0):], " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time %w", ErrUnknown)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc/self/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// ProcessorTime returns the processor time of all threads of this process since its start,
// to the microsecond where the system counts so.
func ProcessorTime() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}

// Held returns the memory that the system cannot reclaim without swapping: anonymous
// memory and mapped shared memory.
func (p Probe) Held() (held services.Bytes, err error) {
	text, err := p.read("proc/self/status")
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		if name != "RssAnon" && name != "RssShmem" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc/self/status: %w", err)
		}
		held += services.Bytes(kib) * services.KiB
		found = true
	}
	if !found {
		return 0, ErrUnknown
	}
	return held, nil
}

// FileDescriptors returns how many file descriptors this process has open.
func (p Probe) FileDescriptors() (int, error) {
	entries, err := os.ReadDir(path.Join("/", p.Root, "proc/self/fd"))
	if os.IsNotExist(err) {
		return 0, ErrUnknown
	}
	return len(entries), err
}
