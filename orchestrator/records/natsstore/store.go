// Package natsstore stores records and objects in NATS JetStream: in a server inside
// this process, which listens on no port, or in an external cluster. It is the only
// importer of NATS, and knows records and objects, but not their content.
package natsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

var validBucket = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

const (
	// tryTimeout bounds one write to the store, readTimeout one read, totalTimeout all
	// attempts: a cluster that elects a leader answers again within seconds.
	tryTimeout   = 4 * time.Second
	readTimeout  = 1500 * time.Millisecond
	totalTimeout = 12 * time.Second
)

// Store implements records.Store. Safe for concurrent use.
type Store struct {
	cfg Config
	// free returns the free disk space at a folder.
	free func(dir string) (services.Bytes, error)
	log  *slog.Logger

	// ctx ends with the store; reopening counts the goroutines that open it until then.
	ctx       context.Context
	stop      context.CancelFunc
	reopening sync.WaitGroup
	// removing counts the goroutine that removes pieces.
	removing sync.WaitGroup

	left    leftovers
	remover *remover
	// rebuild is true if the index of the records is to be removed before the next opening.
	rebuild atomic.Bool

	mu      sync.RWMutex
	link    *link // nil while the store is not available
	problem string
	// damage is a text with the number of lost records; empty for none.
	damage string
	// started and closed are set by Start and Stop, busy while it is being opened.
	started, closed, busy bool
}

// New returns a store that is not open: before Start, and while it cannot be opened,
// its methods return a fault.
func New(cfg Config, free func(dir string) (services.Bytes, error), log *slog.Logger) *Store {
	s := &Store{
		cfg: cfg, free: free, log: log, problem: "the store has not been started",
		remover: newRemover(),
		left:    leftovers{markers: make(map[string]marker), writing: make(map[string]bool)},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Start opens the store, or connects to it. If that fails, it retries in the background
// and Problem returns the reason, because the rest of the server does not need the
// store. A second call returns an error.
func (s *Store) Start(context.Context) error {
	s.mu.Lock()
	if s.started || s.closed {
		s.mu.Unlock()
		return fmt.Errorf("jobs: the store %w", lifecycle.ErrStarted)
	}
	s.started = true
	s.removing.Go(func() { s.removePieces(s.ctx) })
	s.mu.Unlock()
	s.reopen(nil)
	return nil
}

// Stop closes the store. It returns ctx's error if that ends first, and can be
// repeated.
func (s *Store) Stop(ctx context.Context) error {
	s.stop()
	s.mu.Lock()
	s.closed = true
	last := s.link
	s.link = nil
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.reopening.Wait()
		s.removing.Wait()
		if last != nil {
			last.close()
		}
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("jobs: close the store: %w", ctx.Err())
	}
}

// Problem returns why the store is unavailable, or an empty string.
func (s *Store) Problem() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.problem
}

// Damage returns a text on records lost by damaged files, or an empty string.
func (s *Store) Damage() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.damage
}

// Room implements records.Store.
func (s *Store) Room(need services.Bytes) error {
	if s.cfg.URL != "" {
		return nil // the cluster refuses writes itself
	}
	_, closed := s.current()
	free, err := s.free(s.cfg.Dir)
	// Stored data takes slightly more than its size.
	switch want := need + need/16 + s.cfg.Reserve; {
	case err == nil && free < want:
		return services.Faultf(services.KindFull,
			"%d bytes are to be stored and the disk of the job store has %d free, of which jobs.reserve keeps %d",
			int64(need), int64(free), int64(s.cfg.Reserve))
	case closed == nil && err != nil:
		return &services.Fault{Kind: services.KindUnavailable, Message: "the disk of the job store cannot be read", Err: err}
	}
	return closed
}

// current returns the link, or a fault if there is none.
func (s *Store) current() (*link, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.link == nil {
		return nil, &services.Fault{Kind: services.KindUnavailable, Message: "the job store is not available", RetryAfter: 5 * time.Second}
	}
	return s.link, nil
}

// Exclusive implements records.Store: the folder of the store in this process is
// locked with the data folder.
func (s *Store) Exclusive() bool { return s.cfg.URL == "" }

// Create implements records.Store.
func (s *Store) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	return s.put(ctx, key, value, 0)
}

// Replace implements records.Store.
func (s *Store) Replace(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	return s.put(ctx, key, value, at)
}

// put writes a record at a revision, 0 for a new one.
func (s *Store) put(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	l, err := s.current()
	if err != nil {
		return 0, err
	}
	var revision uint64
	tries := 0
	err = l.retryWrite(ctx, func(ctx context.Context) (err error) {
		tries++
		if at == 0 {
			revision, err = l.records.Create(ctx, key, value)
		} else {
			revision, err = l.records.Update(ctx, key, value, uint64(at))
		}
		if !lost(err) {
			return err
		}
		entry, err := l.winner(ctx, key, at, err)
		// An earlier attempt whose answer was lost may have written it.
		if tries > 1 && entry != nil && bytes.Equal(entry.Value(), value) {
			revision = entry.Revision()
			return nil
		}
		return err
	})
	switch {
	case err == nil:
		return records.Revision(revision), nil
	case lost(err) && at == 0:
		return 0, fmt.Errorf("record %s %w", key, records.ErrExists)
	case lost(err):
		return 0, fmt.Errorf("record %s %w", key, records.ErrConflict)
	}
	return 0, s.fault(l, err)
}

// lost reports whether a compare-and-set found another revision.
func lost(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch)
}

// errUnderWay is returned for a compare-and-set that lost to a write which is not
// readable yet.
var errUnderWay = errors.New("another write of the record is under way")

// winner returns the record that a compare-and-set lost to, or nil, and the
// compare-and-set's error or errUnderWay: the leader of a cluster refuses a write while
// another of the same record is on its way to the replicas, where it may still fail.
func (l *link) winner(ctx context.Context, key string, at records.Revision, refusal error) (jetstream.KeyValueEntry, error) {
	entry, err := l.records.Get(ctx, key)
	switch {
	case err == nil && entry.Revision() == uint64(at), errors.Is(err, jetstream.ErrKeyNotFound) && at == 0:
		return nil, errUnderWay
	case err != nil && !errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, err
	}
	return entry, refusal
}

// Read implements records.Store.
func (s *Store) Read(ctx context.Context, key string) ([]byte, records.Revision, error) {
	l, err := s.current()
	if err != nil {
		return nil, 0, err
	}
	var entry jetstream.KeyValueEntry
	err = l.reading(ctx, func(ctx context.Context) (err error) {
		entry, err = l.records.Get(ctx, key)
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return nil, 0, fmt.Errorf("record %s %w", key, records.ErrMissing)
	}
	if err != nil {
		return nil, 0, s.fault(l, err)
	}
	return entry.Value(), records.Revision(entry.Revision()), nil
}

// Delete implements records.Store.
func (s *Store) Delete(ctx context.Context, key string, at records.Revision) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	err = l.retryWrite(ctx, func(ctx context.Context) error {
		err := l.records.Delete(ctx, key, jetstream.LastRevision(uint64(at)))
		if lost(err) {
			_, err = l.winner(ctx, key, at, err)
		}
		return err
	})
	if lost(err) {
		return fmt.Errorf("record %s %w", key, records.ErrConflict)
	}
	return s.fault(l, err)
}

var _ records.Store = (*Store)(nil)
