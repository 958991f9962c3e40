package library

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// sweepBatch bounds how much one sweep deletes.
const sweepBatch = 1000

// sweep deletes expired refs, content that nobody holds, and objects that no record refers
// to.
func (l *Library) sweep(ctx context.Context, orphans bool) {
	if _, err := l.Adopt(ctx); err != nil && ctx.Err() == nil {
		l.log.Error("owners of older recordings could not be noted", "error", err)
	}
	l.expire(ctx)
	if l.db.Ready() {
		l.renditions.Retain(func(id string) bool {
			_, known := l.audio.Get(id)
			return known
		})
	}
	if orphans {
		if err := l.removeOrphans(ctx); err != nil && ctx.Err() == nil {
			l.log.Error("stored recordings could not be looked through", "error", err)
		}
	}
}

// expire deletes refs that nothing of their owner needs and that are past their time to live,
// refs to lost content, and content that nobody holds.
func (l *Library) expire(ctx context.Context) {
	if !l.db.Ready() || l.known() != nil {
		return // the needed recordings are not known yet
	}
	needed, now := l.needed(), l.db.Clock.Now()
	for _, ref := range l.refs.Select(sweepBatch, func(r Ref) bool {
		_, stays := needed.refs[refID(r.Owner, r.AudioID)]
		_, known := l.audio.Get(r.AudioID)
		// A recording stored by another process may not be in the index yet.
		return !stays && now.Sub(r.Used) > r.life(l.cfg) || !known && now.Sub(r.Used) > time.Minute
	}) {
		l.report(ctx, ref.AudioID, l.lapse(ctx, ref, needed))
	}
	for _, content := range l.audio.Select(sweepBatch, func(r Recording) bool {
		return !l.index.isReferred(r.ID) && !needed.content[r.ID] && now.Sub(r.Used) > l.grace(r)
	}) {
		l.report(ctx, content.ID, l.discard(ctx, content.ID, needed))
	}
}

// report logs the error of a deletion, unless ctx has ended.
func (l *Library) report(ctx context.Context, id string, err error) {
	if err != nil && ctx.Err() == nil {
		l.log.Error("an expired recording could not be deleted", "audio", id, "error", err)
	}
}

// grace returns how long content without a ref stays after its last use.
func (l *Library) grace(r Recording) time.Duration {
	if r.Owned || r.Conversational {
		return min(l.cfg.TTL, conversationGrace)
	}
	return l.cfg.TTL
}

// lapse deletes an expired ref, and its content if nobody holds it.
func (l *Library) lapse(ctx context.Context, ref Ref, needed needed) error {
	defer l.lock(ref.AudioID)()
	if l.isHeld(ref.AudioID, func(owner string) bool { return owner == ref.Owner }) {
		return nil
	}
	if err := l.refs.Delete(ctx, ref); err != nil {
		if errors.Is(err, records.ErrConflict) {
			return nil // it was used
		}
		return err
	}
	return l.drop(ctx, ref.AudioID, needed)
}

// discard deletes content that nobody holds.
func (l *Library) discard(ctx context.Context, id string, needed needed) error {
	defer l.lock(id)()
	return l.drop(ctx, id, needed)
}

// removeOrphans deletes objects that no record refers to: their submission was
// interrupted.
func (l *Library) removeOrphans(ctx context.Context) error {
	names, err := l.store.Objects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if rest, ours := strings.CutPrefix(name, objectPrefix); ours {
			id, _, _ := strings.Cut(rest, "-")
			if err := l.removeOrphan(ctx, id, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Library) removeOrphan(ctx context.Context, id, name string) error {
	// Under the lock no writer is between the object and its record.
	defer l.lock(id)()
	if recording, known := l.audio.Get(id); known && recording.object() == name {
		return nil
	}
	return l.store.DeleteObject(ctx, name)
}
