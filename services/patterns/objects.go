package patterns

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/patterns/index"
)

// putSegment stores a segment under a name that no object has. The object is not swept
// before landed is called with the name.
func (s *Service) putSegment(ctx context.Context, name string, segment index.Segment) error {
	store := s.db.Store()
	bytes := services.Bytes(len(segment.Vectors)*(4*segment.Dimensions+64)) + records.LeastRoom
	if err := store.Room(bytes); err != nil {
		return err
	}
	s.mu.Lock()
	s.landing[name] = true
	s.mu.Unlock()
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := segment.WriteTo(w)
		w.CloseWithError(err)
	}()
	err := records.PutObject(ctx, store, name, r)
	_ = r.CloseWithError(err) // ends the writer if the store has stopped reading
	<-written
	if err != nil {
		s.landed(name)
	}
	return records.OrFull(store, err, bytes)
}

// orphanAge is the age from which a correction or a claim without a pattern is deleted.
const orphanAge = time.Hour

// landed ends the protection of a new object: a record refers to it, or never will.
func (s *Service) landed(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.landing, name)
}

// dropObject deletes an object that no record refers to any more. If that fails, the sweep
// deletes it.
func (s *Service) dropObject(ctx context.Context, name string) {
	s.landed(name)
	if err := s.db.Store().DeleteObject(context.WithoutCancel(ctx), name); err != nil {
		s.log.Warn("vectors that are not needed could not be removed", "object", name, "error", err)
	}
}

// sweep deletes old detections, and, as a crash leaves them, corrections and claims without
// a pattern and objects that no record refers to.
func (s *Service) sweep(ctx context.Context, orphans bool) {
	s.expireSightings(ctx)
	s.dropClaims(ctx)
	s.dropFeedback(ctx, func(f feedback) bool {
		_, exists := s.patterns.Get(f.Pattern)
		return !exists && time.Since(f.Created) > orphanAge
	})
	if !orphans {
		return
	}
	names, err := s.db.Store().Objects(ctx)
	if err != nil {
		return // the next sweep tries again
	}
	// A new object lands after its record exists: those that have not landed are listed before
	// the records are looked through.
	s.mu.Lock()
	needed := maps.Clone(s.landing)
	s.mu.Unlock()
	s.patterns.Each(func(e records.Entry[pattern]) bool { needed[e.Value.Vectors] = true; return true })
	s.manifests.Each(func(e records.Entry[manifest]) bool {
		for _, one := range e.Value.Segments {
			needed[one.Object] = true
		}
		return true
	})
	for _, name := range names {
		ours := strings.HasPrefix(name, objectPrefix) || strings.HasPrefix(name, segmentPrefix)
		if !ours || needed[name] {
			continue
		}
		if err := s.db.Store().DeleteObject(ctx, name); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("orphaned vectors could not be removed", "object", name, "error", err)
		}
	}
}
