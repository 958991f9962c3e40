package natsstore

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// largeObject is the size above which pieces are removed later and one object at a
	// time.
	largeObject = 4 << 20
	// removalPause is the time between two removals. The server in this process reads
	// every file that has pieces of the object, and keeps their contents in memory if
	// the removal before was less than a second ago.
	removalPause = 1500 * time.Millisecond
)

// remover removes the pieces of large deleted objects, one object after the other, so
// that memory does not grow. The rest is found when the store is opened next. Safe for
// concurrent use.
type remover struct {
	mu      sync.Mutex
	waiting []string // ids of objects
	wake    chan struct{}
}

func newRemover() *remover { return &remover{wake: make(chan struct{}, 1)} }

// add queues an object for removal.
func (r *remover) add(id string) {
	r.mu.Lock()
	r.waiting = append(r.waiting, id)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// next returns the next object to remove, or false if there is none.
func (r *remover) next() (id string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return "", false
	}
	id, r.waiting = r.waiting[0], r.waiting[1:]
	return id, true
}

// removePieces removes objects until ctx ends.
func (s *Store) removePieces(ctx context.Context) {
	r := s.remover
	for {
		id, ok := r.next()
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		l, err := s.current()
		if err == nil {
			err = l.purge(ctx, l.pieces, jetstream.WithPurgeSubject(l.pieceSubject(id)))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the pieces of a removed object are left until the store is opened next", "error", err)
		}
		select {
		case <-time.After(removalPause):
		case <-ctx.Done():
			return
		}
	}
}

// purgePieces removes the pieces of a deleted object: at once, or by the remover if the
// object is large and the store is in this process.
func (s *Store) purgePieces(ctx context.Context, l *link, id string, size uint64) error {
	if size > largeObject && s.Exclusive() {
		s.remover.add(id)
		return nil
	}
	return l.purge(ctx, l.pieces, jetstream.WithPurgeSubject(l.pieceSubject(id)))
}
