package conversations_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// refusals are the errors of the next deletions of a store.
type refusals struct {
	mu   sync.Mutex
	errs []error
}

// refusing returns a store, and the errors of its deletions: none at first.
func refusing() (*recordstest.Memory, *refusals) {
	store, r := recordstest.NewMemory(), &refusals{}
	store.Before = func(called, _ string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if called != "delete" || len(r.errs) == 0 {
			return nil
		}
		err := r.errs[0]
		r.errs = r.errs[1:]
		return err
	}
	return store, r
}

func (r *refusals) set(errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = errs
}

func (r *refusals) left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errs)
}

var errChanged = fmt.Errorf("changed: %w", records.ErrConflict)

func TestAConversationThatIsChangedMeanwhileIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, refused := refusing()
		c := open(t, store)
		made, err := c.StoreContext(t.Context(), about("ctx_1", "a"))
		require.NoError(t, err)
		refused.set(errChanged, errChanged)
		require.NoError(t, c.ForgetContext(t.Context(), "ctx_1"))
		require.Zero(t, refused.left())
		require.Empty(t, c.StoredContexts())

		made.Revision = 0
		_, err = c.StoreContext(t.Context(), made)
		require.NoError(t, err)
		_, err = c.StoreContext(t.Context(), made)
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, services.KindBusy, fault.Kind)
		require.Equal(t, "conversation ctx_1 was changed by another request; try again", fault.Message)
		require.Equal(t, time.Second, fault.RetryAfter)
		require.ErrorIs(t, err, records.ErrExists)
	})
}

// TestAnExpiredConversationThatCannotBeDeleted is tried again by the next sweep, and reported
// unless another process has changed it.
func TestAnExpiredConversationThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	away := services.Faultf(services.KindUnavailable, "away")
	for name, c := range map[string]struct {
		err    error
		logged bool
	}{"unavailable": {away, true}, "changed": {errChanged, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, refused := refusing()
				var text bytes.Buffer
				log := slog.New(slog.NewTextHandler(&text, nil))
				db := records.NewDatabase(store, log)
				all := conversations.New(db, library.New(library.DefaultConfig(), db, log), log)
				require.NoError(t, db.Start(t.Context()))
				require.True(t, db.AwaitReady(t.Context()))
				one, late := about("ctx_1", "a"), about("ctx_2", "a")
				late.Expires = late.Expires.Add(time.Hour)
				for _, made := range []services.StoredContext{one, late} {
					_, err := all.StoreContext(t.Context(), made)
					require.NoError(t, err)
				}
				refused.set(c.err)
				time.Sleep(time.Hour + 30*time.Second)
				synctest.Wait()
				require.Zero(t, refused.left())
				require.Len(t, all.StoredContexts(), 2)
				require.Equal(t, c.logged, bytes.Contains(text.Bytes(), []byte("an expired conversation could not be deleted")))
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, all.StoredContexts(), 1, "the other one has time left")
				require.NoError(t, db.Stop(context.Background()))
			})
		})
	}
}

// TestOldRecordsThatCannotBeRead are errors, and in no list.
func TestOldRecordsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		for id, raw := range map[string]string{"ctx_1": `{"audio_id":1}`, "ctx_2": `{"audio_id":"a","record":5}`, "ctx_3": `{"audio_id":"a"}`} {
			_, err := store.Create(t.Context(), "context."+id, []byte(raw))
			require.NoError(t, err)
		}
		c := open(t, store)
		require.Empty(t, c.StoredContexts())
		for _, id := range []string{"ctx_1", "ctx_2", "ctx_3"} {
			_, err := c.StoredContext(t.Context(), id)
			require.ErrorContains(t, err, "decode context "+id)
			require.Error(t, c.ForgetContext(t.Context(), id))
		}
	})
}
