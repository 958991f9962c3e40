package library

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// Adopt makes refs to recordings of older versions, which had none, and returns how many
// recordings it adopted. The owners of the jobs and conversations that use a recording get
// one. A recording that nobody is known to use gets one of the owner without a key, unless it
// was stored for a conversation: it is listed where no keys are required, and for an admin.
// It can be interrupted and repeated.
func (l *Library) Adopt(ctx context.Context) (adopted int, err error) {
	if !l.db.Ready() {
		return 0, nil
	}
	old := l.audio.Select(math.MaxInt, func(r Recording) bool { return !r.Owned })
	if len(old) == 0 {
		return 0, nil
	}
	users := make(map[string][]Ref)
	l.eachUse(func(ref Ref) { users[ref.AudioID] = append(users[ref.AudioID], ref) })
	for _, recording := range old {
		if err := l.adopt(ctx, recording.ID, users[recording.ID]); err != nil {
			return adopted, err
		}
		adopted++
	}
	return adopted, nil
}

// eachUse calls found for every known use of a recording.
func (l *Library) eachUse(found func(Ref)) {
	for _, provider := range l.uses {
		provider(found)
	}
}

// adopt makes refs to one recording, and then records that it has them.
func (l *Library) adopt(ctx context.Context, id string, users []Ref) error {
	defer l.lock(id)()
	recording, err := l.audio.Load(ctx, id)
	if errors.Is(err, records.ErrMissing) || err == nil && recording.Owned {
		return nil
	}
	if err != nil {
		return err
	}
	if len(users) == 0 && !recording.Conversational && !l.index.isReferred(id) {
		users = []Ref{{AudioID: id, Created: recording.Created}}
	}
	contentType := l.typeOf(ctx, recording)
	for _, ref := range users {
		ref.Used = recording.Used // whoever used it last
		// The recording itself gets its type after the refs, by which it is found meanwhile.
		ref.ContentType = cmp.Or(ref.ContentType, contentType)
		if _, _, err := l.refer(ctx, ref); err != nil {
			return err
		}
	}
	_, err = l.audio.Edit(ctx, id, func(r *Recording) (bool, error) {
		changed := !r.Owned
		r.Owned, r.ContentType = true, contentType
		return changed, nil
	})
	if errors.Is(err, records.ErrMissing) {
		return nil
	}
	return err
}

// typeOf returns the content type of an older recording by its first bytes, or the one that
// was noted.
func (l *Library) typeOf(ctx context.Context, recording Recording) string {
	file, err := l.source(ctx, recording).Open()
	if err != nil {
		return recording.ContentType
	}
	defer file.Close()
	head := make([]byte, headBytes)
	n, _ := io.ReadFull(file, head) // a short recording has fewer
	return cmp.Or(SniffType(head[:n]), recording.ContentType)
}

// adopted returns the ref of an owner to a recording of an older version, which it adopts
// unless that has been done since the caller looked, or ErrMissing. While the jobs and
// conversations are still being loaded it returns a fault for such a recording.
func (l *Library) adopted(ctx context.Context, owner, id string) (Ref, error) {
	recording, known := l.audio.Get(id)
	if !known && l.db.Ready() {
		return Ref{}, records.ErrMissing
	}
	if !known || !recording.Owned {
		var err error
		if recording, err = l.audio.Load(ctx, id); err != nil {
			return Ref{}, err
		}
	}
	if recording.Owned {
		return l.refs.Load(ctx, refID(owner, id))
	}
	if err := l.db.NotReady("recordings"); err != nil {
		return Ref{}, err
	}
	var users []Ref
	l.eachUse(func(ref Ref) {
		if ref.AudioID == id {
			users = append(users, ref)
		}
	})
	if err := l.adopt(ctx, id, users); err != nil {
		return Ref{}, err
	}
	return l.refs.Load(ctx, refID(owner, id))
}
