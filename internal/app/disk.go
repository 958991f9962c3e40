package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// diskInterval is how often the free space is measured.
const diskInterval = time.Second

// leastSpool is the free space that uploads and made sounds need at least.
const leastSpool = services.MiB

// disks watches the disks of the store and of the spool. The server is not ready while one
// is full. The probes read the last result, so that they are answered even if a disk does
// not respond.
type disks struct {
	lifecycle.Group
	spool string
	store records.Store
	free  func(dir string) (services.Bytes, error)
	log   *slog.Logger

	mu      sync.Mutex
	reasons []string
}

func newDisks(spool string, store records.Store, log *slog.Logger) *disks {
	return &disks{spool: spool, store: store, free: memprobe.DiskFree, log: log}
}

// Start implements lifecycle.Part.
func (d *disks) Start(ctx context.Context) error {
	d.look()
	return d.Group.Start(ctx, func(ctx context.Context) { lifecycle.Every(ctx, diskInterval, d.look) })
}

// Reasons returns why the server is not ready.
func (d *disks) Reasons() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reasons
}

// look measures the free space.
func (d *disks) look() {
	var reasons []string
	if err := d.store.Room(records.LeastRoom); services.KindOf(err) == services.KindFull {
		reasons = append(reasons, "the disk of the job store is full: "+err.Error())
	}
	if free, err := d.free(d.spool); err == nil && free < leastSpool {
		reasons = append(reasons, fmt.Sprintf("the disk of the data folder is full: %s free", free))
	}
	d.mu.Lock()
	before := len(d.reasons) > 0
	d.reasons = reasons
	d.mu.Unlock()
	switch now := len(reasons) > 0; {
	case now && !before:
		d.log.Error("a disk is full", "reasons", reasons)
	case before && !now:
		d.log.Info("the disks have space again")
	}
}

var _ lifecycle.Part = (*disks)(nil)
