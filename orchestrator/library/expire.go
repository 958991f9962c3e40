package library

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// sweepBatch bounds how much one sweep deletes.
const sweepBatch = 1000

// needed returns the ids of needed recordings. The value names what requires the
// deletion to be refused, or is empty.
func (l *Library) needed() map[string]string {
	needed := make(map[string]string)
	for _, provider := range l.needs {
		provider(func(id, by string) {
			if id != "" && needed[id] == "" {
				needed[id] = by
			}
		})
	}
	return needed
}

// Delete removes a recording, unless an unfinished job or a conversation needs it.
func (l *Library) Delete(ctx context.Context, id string) error {
	recording, err := l.Describe(ctx, id)
	if err != nil {
		return err
	}
	if by := l.needed()[id]; by != "" {
		return fmt.Errorf("%s: %w", by, ErrInUse)
	}
	return l.remove(ctx, recording)
}

// remove deletes the record first, so that no record refers to deleted bytes.
func (l *Library) remove(ctx context.Context, recording Recording) error {
	lock := l.lock(recording.ID)
	lock.Lock()
	defer lock.Unlock()
	l.mu.Lock()
	held := l.holds[recording.ID] > 0
	l.mu.Unlock()
	if held {
		return busy(recording.ID, nil)
	}
	err := l.audio.Delete(ctx, recording)
	if errors.Is(err, records.ErrConflict) {
		return busy(recording.ID, err)
	}
	if err != nil {
		return err
	}
	return errors.Join(l.store.DeleteObject(ctx, object(recording.ID)), l.removeRefs(ctx, recording.ID))
}

// removeRefs deletes the refs of a deleted recording.
func (l *Library) removeRefs(ctx context.Context, id string) error {
	var errs []error
	for _, ref := range l.refs.Select(math.MaxInt, func(r Ref) bool { return r.AudioID == id }) {
		if err := l.refs.Delete(ctx, ref); err != nil && !errors.Is(err, records.ErrConflict) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweep deletes expired recordings, and objects that no record refers to.
func (l *Library) sweep(ctx context.Context, orphans bool) {
	l.expire(ctx)
	l.expireRefs(ctx)
	if orphans {
		if err := l.removeOrphans(ctx); err != nil && ctx.Err() == nil {
			l.log.Error("stored recordings could not be looked through", "error", err)
		}
	}
}

// expire deletes recordings that are not needed and past their time to live.
func (l *Library) expire(ctx context.Context) {
	if !l.db.Ready() {
		return // the needed recordings are not known yet
	}
	needed, now := l.needed(), l.db.Clock.Now()
	expired := l.audio.Select(sweepBatch, func(r Recording) bool {
		left := l.cfg.TTL
		if r.Conversational {
			left = min(left, conversationGrace)
		}
		_, stays := needed[r.ID]
		return !stays && now.Sub(r.Used) > left
	})
	for _, recording := range expired {
		if err := l.remove(ctx, recording); err != nil && services.KindOf(err) != services.KindBusy && ctx.Err() == nil {
			l.log.Error("an expired recording could not be deleted", "audio", recording.ID, "error", err)
		}
	}
}

// expireRefs deletes the refs of deleted recordings.
func (l *Library) expireRefs(ctx context.Context) {
	expired := l.refs.Select(sweepBatch, func(r Ref) bool {
		_, known := l.audio.Get(r.AudioID)
		// A recording stored by another process may not be in the index yet.
		return !known && time.Since(r.Used) > time.Minute
	})
	for _, ref := range expired {
		if err := l.refs.Delete(ctx, ref); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			l.log.Error("the name of a deleted recording could not be deleted", "audio", ref.AudioID, "error", err)
		}
	}
}

// removeOrphans deletes objects that no record refers to: their submission was
// interrupted.
func (l *Library) removeOrphans(ctx context.Context) error {
	names, err := l.store.Objects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if id, ours := strings.CutPrefix(name, audioKind+"-"); ours {
			if err := l.removeOrphan(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Library) removeOrphan(ctx context.Context, id string) error {
	// Under the lock no writer is between the object and its record.
	lock := l.lock(id)
	lock.Lock()
	defer lock.Unlock()
	if _, known := l.audio.Get(id); known {
		return nil
	}
	return l.store.DeleteObject(ctx, object(id))
}
