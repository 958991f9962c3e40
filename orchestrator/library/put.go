package library

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Save adds an incoming recording to those of an owner. created reports whether the owner did
// not have it.
func (l *Library) Save(ctx context.Context, in *Incoming, owner string) (recording Recording, created bool, err error) {
	defer func() {
		if discardErr := in.Discard(ctx); discardErr != nil {
			l.log.Warn("a recording that was given up could not be removed", "audio", in.ID, "error", discardErr)
		}
	}()
	ref := l.newRef(owner, in.ID, in.About)
	if known, has := l.refs.Get(refID(owner, in.ID)); !has || known.Facts == (Facts{}) {
		facts, contentType := l.probe(in.Source(ctx))
		ref.Facts, ref.ContentType = facts, cmp.Or(contentType, ref.ContentType)
	}
	recording, created, err = l.claim(ctx, in.ID, in, ref)
	return recording, created, l.orFull(err, services.Bytes(in.Size()))
}

// Import stores a recording from a source, for an owner. A recording that the library
// has is not written again. It is not deleted until release is called.
func (l *Library) Import(ctx context.Context, source services.AudioSource, about About) (_ Recording, release func(), _ error) {
	id, err := identify(ctx, source)
	if err != nil {
		return Recording{}, nil, err
	}
	release = l.Hold(about.Owner, id)
	recording, err := l.add(ctx, id, source, about, false)
	if err != nil {
		release()
		return Recording{}, nil, l.orFull(err, services.Bytes(source.Size()))
	}
	return recording, release, nil
}

// KeepAudio implements services.ContextStore: it stores the recording of an owner's new
// conversation and returns its id.
func (l *Library) KeepAudio(ctx context.Context, owner string, source services.AudioSource) (string, error) {
	id, err := identify(ctx, source)
	if err == nil {
		_, err = l.add(ctx, id, source, About{Owner: owner}, true)
	}
	return id, err
}

// newRef returns a ref as it is written first.
func (l *Library) newRef(owner, id string, about About) Ref {
	now := time.Now().UTC()
	return Ref{Owner: owner, AudioID: id, Name: CleanName(about.Name), ContentType: about.ContentType, Created: now, Used: now}
}

// add stores a recording unless the library has it.
func (l *Library) add(
	ctx context.Context, id string, source services.AudioSource, about About, conversational bool,
) (Recording, error) {
	ref := l.newRef(about.Owner, id, about)
	ref.Conversational = conversational
	facts, contentType := l.probe(source)
	ref.Facts, ref.ContentType = facts, cmp.Or(ref.ContentType, contentType)
	recording, _, err := l.claim(ctx, id, nil, ref)
	if services.KindOf(err) != services.KindNotFound {
		return recording, err
	}
	file, err := source.Open()
	if err != nil {
		return Recording{}, services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	in, err := l.Receive(ctx, file, about)
	if err != nil {
		return Recording{}, err
	}
	recording, _, err = l.claim(ctx, id, in, ref)
	if discardErr := in.Discard(ctx); discardErr != nil {
		l.log.Warn("a recording that was given up could not be removed", "audio", id, "error", discardErr)
	}
	return recording, err
}

// identify returns the SHA-256 of a recording, in hex.
func identify(ctx context.Context, source services.AudioSource) (string, error) {
	if stored, ok := source.(*Source); ok {
		return stored.id, nil
	}
	file, err := source.Open()
	if err != nil {
		return "", services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, bounded{ctx, file}); err != nil {
		return "", services.Internal(err, "the recording cannot be read")
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// bounded is a reader that fails when its context ends.
type bounded struct {
	ctx context.Context //nolint:containedctx // io.Reader cannot be given one
	r   io.Reader
}

// Read implements io.Reader.
func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

// claim gives an owner a ref to a recording; created reports whether the owner had none. The
// bytes are those of in, or, if it is nil, in the library, else the error is of kind not
// found. Content is written before its first ref, so that no ref is to missing content.
func (l *Library) claim(ctx context.Context, id string, in *Incoming, ref Ref) (_ Recording, created bool, err error) {
	if in != nil && !l.hasRoom(in.Size()) {
		l.expire(ctx) // before taking the lock, which deletions also take
	}
	defer l.lock(id)()
	content, err := l.audio.Load(ctx, id)
	stored := err == nil
	switch {
	case err != nil && !errors.Is(err, records.ErrMissing):
		return Recording{}, false, err
	case !stored && in == nil:
		return Recording{}, false, unlessMissing(id, err)
	case stored:
		if own, err := l.renew(ctx, ref); !errors.Is(err, records.ErrMissing) {
			return l.as(content, own), false, err
		}
	}
	// What a new ref needs does not depend on whether others have the content.
	if err := l.room(sizeOf(in, content)); err != nil {
		return Recording{}, false, err
	}
	if !stored {
		if content, stored, err = l.write(ctx, in); err != nil {
			return Recording{}, false, err
		}
	}
	if ref, created, err = l.refer(ctx, ref); err != nil {
		return Recording{}, false, err
	}
	if stored || !l.store.Exclusive() {
		if content, err = l.touch(ctx, content, in); err != nil {
			return Recording{}, false, errors.Join(err, l.removeRef(ctx, ref.Owner, id))
		}
	}
	return l.as(content, ref), created, nil
}

func sizeOf(in *Incoming, content Recording) int64 {
	if in != nil {
		return in.Size()
	}
	return content.Bytes
}

// write commits the object of an incoming recording and writes its record. existed reports
// that another process was first.
func (l *Library) write(ctx context.Context, in *Incoming) (content Recording, existed bool, err error) {
	if in.staged == nil {
		// It has been deleted meanwhile.
		if in.whole == nil {
			return Recording{}, false, in.full
		}
		if in.staged, err = l.store.Stage(ctx, bytes.NewReader(in.whole)); err != nil {
			return Recording{}, false, err
		}
	}
	now := time.Now().UTC()
	content = Recording{
		ID: in.ID, Object: objectPrefix + in.ID + "-" + strings.ToLower(rand.Text()), Bytes: in.Size(), ContentType: SniffType(in.head),
		Owned: true, Created: now, Used: now,
	}
	if err := in.staged.Commit(ctx, content.Object); err != nil {
		return Recording{}, false, err
	}
	name := content.Object
	content, err = l.audio.Create(ctx, content)
	if !errors.Is(err, records.ErrExists) {
		return content, false, err
	}
	content, err = l.audio.Load(ctx, in.ID)
	if errors.Is(err, records.ErrMissing) {
		err = busy(in.ID, err)
	}
	return content, true, errors.Join(err, l.store.DeleteObject(ctx, name))
}

// touch replaces the record of content that got a ref: another process that is about to
// delete it, because it has not seen the ref, sees the new revision and leaves it. Content
// that was deleted already is written again.
func (l *Library) touch(ctx context.Context, content Recording, in *Incoming) (Recording, error) {
	touched, err := l.audio.Edit(ctx, content.ID, func(r *Recording) (bool, error) {
		r.Used = time.Now().UTC()
		return true, nil
	})
	if !errors.Is(err, records.ErrMissing) {
		return touched, err
	}
	if in == nil {
		return Recording{}, unlessMissing(content.ID, err)
	}
	touched, _, err = l.write(ctx, in)
	return touched, err
}

// hasRoom reports whether the quota has room for a further recording.
func (l *Library) hasRoom(size int64) bool { return l.index.used()+size <= int64(l.cfg.Quota) }

// room returns a fault if the quota or the disk has no room for a recording. Its text does
// not say how much is stored, which depends on what other owners have.
func (l *Library) room(size int64) error {
	if !l.hasRoom(size) {
		return services.Faultf(services.KindFull,
			"the recording has %d bytes, for which jobs.audio.quota, %d bytes for all recordings, has no room; "+
				"delete some, or wait until they expire", size, int64(l.cfg.Quota))
	}
	return l.store.Room(records.LeastRoom)
}
