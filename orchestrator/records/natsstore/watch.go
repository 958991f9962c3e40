package natsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// silence is how long an incomplete watch must be idle for the remaining records to
// count as lost: the server silently skips records that it cannot read, and may then
// not send its end marker.
const silence = 3 * time.Second

// Watch implements records.Store.
func (s *Store) Watch(ctx context.Context, changed func(records.Change)) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	var state jetstream.StreamState
	if err := l.reading(ctx, func(ctx context.Context) error {
		info, err := l.table.Info(ctx)
		if err == nil {
			state = info.State
		}
		return err
	}); err != nil {
		return s.fault(l, err)
	}
	watcher, err := l.records.WatchAll(ctx)
	if err != nil {
		return s.fault(l, err)
	}
	defer func() { _ = watcher.Stop() }() // the subscription may have ended with its connection
	reading := &census{store: s, changed: changed, expected: state.Msgs, last: state.LastSeq}
	still := time.NewTimer(silence)
	defer still.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-still.C:
			reading.count()
		case entry, open := <-watcher.Updates():
			if !open {
				return errors.New("the watch ended")
			}
			reading.take(entry)
			if !reading.counted {
				still.Reset(silence)
			}
		}
	}
}

// census counts the records of the initial replay.
type census struct {
	store   *Store
	changed func(records.Change)
	// expected is the number of records up to the revision last, seen how many were
	// reported.
	expected, seen, last uint64
	caughtUp, counted    bool
}

// take reports a record, or the end of the replay if entry is nil.
func (c *census) take(entry jetstream.KeyValueEntry) {
	if entry == nil {
		c.count()
		return
	}
	change := records.Change{Key: entry.Key(), Revision: records.Revision(entry.Revision())}
	if entry.Operation() == jetstream.KeyValuePut {
		change.Value = entry.Value()
	}
	c.store.left.note(entry)
	c.changed(change)
	c.seen++ // also if it was replaced and is reported again
	if entry.Revision() >= c.last {
		c.end()
	}
}

// end reports once that the initial replay has ended.
func (c *census) end() {
	if !c.caughtUp {
		c.caughtUp = true
		c.changed(records.Change{CaughtUp: true})
	}
}

// count checks for missing records once no more can arrive.
func (c *census) count() {
	c.end()
	if !c.counted && c.seen < c.expected {
		c.store.damaged(c.expected - c.seen)
	}
	c.counted = true
}

// damaged records that records cannot be read.
func (s *Store) damaged(records uint64) {
	s.mu.Lock()
	s.damage = fmt.Sprintf("the job store was damaged: records that are lost: %d", records)
	s.mu.Unlock()
	s.log.Error("the job store was damaged: records are lost", "records", records, "dir", s.cfg.Dir, "url", s.cfg.URL)
}
