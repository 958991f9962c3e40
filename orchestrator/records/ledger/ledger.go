package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Entry is a record that the store must have.
type Entry struct {
	Key string
	// Revision of the record, or of an earlier state if later ones were not noted.
	Revision uint64
	// Final is true for a record that has ended, and must not begin again.
	Final bool
	// Note is what the record's kind needs to know of a lost record; it may be nil.
	Note json.RawMessage
}

// Options configure a ledger.
type Options struct {
	// SyncInterval is the time between two syncs to disk; with 0 every durable entry is
	// synced before its call returns.
	SyncInterval time.Duration
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Ledger is an open ledger. Safe for concurrent use.
type Ledger struct {
	name string
	opts Options

	// syncing is held during a sync, so that those who wait share the next one. It is
	// locked before mu.
	syncing sync.Mutex
	// synced is the value of written up to which everything is on the disk, and
	// syncedAt the time of the last sync.
	synced   int64
	syncedAt time.Time

	mu      sync.Mutex
	file    *os.File // nil after Close
	entries map[string]Entry
	losses  map[string]Loss
	// mark is the highest revision noted.
	mark uint64
	// written counts the bytes appended since Open, size those of the file, which is
	// written anew above the limit, so that it is bounded by its entries.
	written, size, limit int64
	// problem is why the file lacks entries; empty if it lacks none.
	problem string
	// damaged counts the lines of the file that could not be read.
	damaged int
	// fresh is true if there was no file.
	fresh bool
}

// Get returns the entry of a record.
func (l *Ledger) Get(key string) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[key]
	return e, ok
}

// Len returns the number of entries.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// Mark returns the highest revision noted.
func (l *Ledger) Mark() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}

// Fresh reports whether there was no file when the ledger was opened.
func (l *Ledger) Fresh() bool { return l.fresh }

// Problem returns why the file lacks entries, or an empty string. They are written as
// soon as the file can be.
func (l *Ledger) Problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problem
}

// Put notes a state of a record that the store has written. It changes nothing if a
// later state is known, or if the entry tells no more than the known one: the same note
// of a record that has not ended. With durable it returns after the entry is on the disk.
func (l *Ledger) Put(e Entry, durable bool) {
	l.mu.Lock()
	known, ok := l.entries[e.Key]
	if ok && (known.Revision >= e.Revision || !e.Final && !known.Final && e.Note != nil && bytes.Equal(known.Note, e.Note)) {
		l.mark = max(l.mark, e.Revision)
		l.mu.Unlock()
		return
	}
	l.entries[e.Key] = e
	l.mark = max(l.mark, e.Revision)
	l.append(line{Key: e.Key, Revision: e.Revision, Final: e.Final, Note: e.Note})
	upTo := l.written
	l.mu.Unlock()
	if durable {
		l.sync(upTo)
	}
}

// Drop notes that a record is about to be deleted, and returns its entry. It returns
// after that is on the disk.
func (l *Ledger) Drop(key string) (Entry, bool) {
	l.mu.Lock()
	e, ok := l.entries[key]
	if !ok {
		l.mu.Unlock()
		return e, false
	}
	delete(l.entries, key)
	if loss, ok := l.losses[key]; ok && loss.Acknowledged {
		delete(l.losses, key)
	}
	l.append(line{Key: key, Drop: true})
	upTo := l.written
	l.mu.Unlock()
	l.sync(upTo)
	return e, true
}

// append writes a line. The caller holds mu. If the file cannot be written, or was not
// written completely before, it is written anew. If that fails too, the entries are kept
// in memory.
func (l *Ledger) append(entry line) {
	if l.file == nil {
		l.problem = "the ledger is closed"
		return
	}
	raw, err := entry.encode()
	if err == nil && l.problem == "" && l.size+int64(len(raw)) <= l.limit {
		var n int
		n, err = l.file.Write(raw)
		l.size += int64(n)
		l.written += int64(n)
		if err == nil {
			return
		}
	}
	if err = l.rewrite(); err != nil {
		l.problem = fmt.Sprintf("the ledger cannot be written: %v", err)
	}
}

// sync returns once everything up to a value of written is on the disk, if every entry
// is to be synced, or else if the interval has passed.
func (l *Ledger) sync(upTo int64) {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= upTo || l.opts.SyncInterval > 0 && l.now().Sub(l.syncedAt).Abs() < l.opts.SyncInterval {
		return
	}
	l.mu.Lock()
	file, until := l.file, l.written
	l.mu.Unlock()
	if file == nil {
		return
	}
	err := file.Sync()
	if errors.Is(err, os.ErrClosed) {
		return // it was written anew meanwhile, which syncs everything
	}
	l.synced, l.syncedAt = until, l.now()
	if err != nil {
		l.mu.Lock()
		l.problem = fmt.Sprintf("the ledger cannot be synced: %v", err)
		l.mu.Unlock()
	}
}

func (l *Ledger) now() time.Time {
	if l.opts.Now != nil {
		return l.opts.Now()
	}
	return time.Now()
}

// Close writes what the file lacks, syncs it and closes it. It can be repeated.
func (l *Ledger) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	var err error
	if l.problem != "" {
		err = l.rewrite() // there may be room again
	}
	err = errors.Join(err, l.file.Sync(), l.file.Close())
	l.file = nil
	if err != nil {
		return fmt.Errorf("close the ledger: %w", err)
	}
	return nil
}
