package library_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// pictures notes what is removed.
type pictures struct {
	mu      sync.Mutex
	dropped []string
	// stored are the recordings with pictures.
	stored []string
}

func (p *pictures) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = append(p.dropped, what)
}

// take returns what was removed since the last call.
func (p *pictures) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.dropped
	p.dropped = nil
	return list
}

func (p *pictures) Drop(owner, audio string) { p.note(owner + " " + audio) }

func (p *pictures) DropAll(audio string) { p.note("all " + audio) }

func (p *pictures) Retain(exists func(string) bool) {
	for _, audio := range p.stored {
		if !exists(audio) {
			p.note("unknown " + audio)
		}
	}
}

// TestPicturesGoWithTheirRecordings deletes the refs of two owners, and has one expire.
func TestPicturesGoWithTheirRecordings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		p := &pictures{}
		s.SetRenditions(p)
		s.start(t)
		defer s.stop(t)
		both, _ := s.of(t, "key-1", "hello")
		s.of(t, "key-2", "hello")
		other, _ := s.of(t, "key-2", "other")
		p.stored = []string{both.ID, other.ID, "gone"}
		require.Empty(t, p.take())

		require.NoError(t, s.Delete(t.Context(), services.Caller{Key: "key-1"}, both.ID))
		require.Equal(t, []string{"key-1 " + both.ID}, p.take(), "the other owner has the recording still")
		require.NoError(t, s.Delete(t.Context(), services.Caller{Key: "key-2"}, both.ID))
		require.Equal(t, []string{"key-2 " + both.ID, "all " + both.ID}, p.take())

		time.Sleep(library.DefaultConfig().TTL + 2*time.Minute)
		synctest.Wait()
		list := p.take()
		require.Subset(t, list, []string{"unknown gone", "unknown " + both.ID, "key-2 " + other.ID, "all " + other.ID})
	})
}
