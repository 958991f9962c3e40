package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// needed are the recordings that the providers need.
type needed struct {
	// content by id; refs by their id, with what prevents the owner from deleting them, or
	// an empty text.
	content map[string]bool
	refs    map[string]string
}

// needed asks the providers.
func (l *Library) needed() needed {
	n := needed{make(map[string]bool), make(map[string]string)}
	for _, provider := range l.needs {
		provider(func(owner, id, by string) {
			if id == "" {
				return
			}
			n.content[id] = true
			if key := refID(owner, id); n.refs[key] == "" {
				n.refs[key] = by
			}
		})
	}
	return n
}

// Delete removes the caller's ref to a recording, unless an unfinished job or a conversation
// of the caller needs it, and the content if nobody holds it any more. An admin without a
// ref, and everyone if no keys are required, removes the refs of all owners.
func (l *Library) Delete(ctx context.Context, caller services.Caller, id string) error {
	if err := l.db.NotReady("recordings"); err != nil {
		return err
	}
	if err := l.known(); err != nil {
		return err
	}
	if _, err := l.Describe(ctx, caller, id); err != nil {
		return err
	}
	defer l.lock(id)()
	_, err := l.refs.Load(ctx, refID(caller.Key, id))
	if err != nil && (!errors.Is(err, records.ErrMissing) || !caller.All) {
		return unlessMissing(id, err)
	}
	owners := []string{caller.Key}
	everyone := caller.All && (caller.Key == "" || err != nil)
	if everyone {
		owners = l.index.owners(id)
	}
	needed := l.needed()
	for _, owner := range owners {
		if by := needed.refs[refID(owner, id)]; by != "" {
			return fmt.Errorf("%s: %w", by, ErrInUse)
		}
	}
	if l.isHeld(id, func(owner string) bool { return everyone || owner == caller.Key }) {
		return busy(id, nil)
	}
	for _, owner := range owners {
		if err := l.removeRef(ctx, owner, id); err != nil {
			return err
		}
	}
	if err := l.drop(ctx, id, needed); err != nil {
		// For the caller it is deleted; the sweep tries again.
		l.log.Warn("a deleted recording could not be removed", "audio", id, "error", err)
	}
	return nil
}

// removeRef deletes an owner's ref, whatever its revision.
func (l *Library) removeRef(ctx context.Context, owner, id string) error {
	for {
		ref, err := l.refs.Load(ctx, refID(owner, id))
		if errors.Is(err, records.ErrMissing) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.refs.Delete(ctx, ref); !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}

// drop deletes content that nobody holds: no ref, no job, no conversation and no running
// request. The record goes first, so that none refers to deleted bytes. The caller holds the
// lock.
func (l *Library) drop(ctx context.Context, id string, needed needed) error {
	content, err := l.audio.Load(ctx, id)
	if errors.Is(err, records.ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	// Whoever makes a ref touches the content after it. So a ref of another process is in
	// the index by now, or the content is at a later revision when it is deleted.
	if !l.store.Exclusive() && !l.sees(ctx, content) {
		return busy(id, context.Cause(ctx))
	}
	if l.index.isReferred(id) || needed.content[id] || l.isHeld(id, anyone) {
		return nil
	}
	err = l.audio.Delete(ctx, content)
	if errors.Is(err, records.ErrConflict) {
		return nil // it was touched
	}
	if err != nil {
		return err
	}
	return l.store.DeleteObject(ctx, content.object())
}

// sees waits until the index has every change up to a state of content, and reports whether
// it has.
func (l *Library) sees(ctx context.Context, content Recording) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.db.AwaitRevision(ctx, content.Revision)
}
