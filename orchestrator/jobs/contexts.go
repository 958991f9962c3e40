package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// conversationGrace is how long a recording outlives the last conversation about it,
// and how long one that was stored for a conversation waits for that to be stored.
const conversationGrace = 5 * time.Minute

func decodeContext(id string, raw []byte, at Revision) (services.StoredContext, error) {
	one := services.StoredContext{}
	err := json.Unmarshal(raw, &one)
	one.ID, one.Revision = id, uint64(at)
	return one, err
}

// StoredContexts implements services.ContextStore.
func (m *Manager) StoredContexts() []services.StoredContext {
	m.index.mu.Lock()
	defer m.index.mu.Unlock()
	list := make([]services.StoredContext, 0, len(m.index.talks))
	for _, one := range m.index.talks {
		list = append(list, one)
	}
	return list
}

// StoredContext implements services.ContextStore.
func (m *Manager) StoredContext(ctx context.Context, id string) (services.StoredContext, error) {
	raw, at, err := m.Store.Read(ctx, contextKind+"."+id)
	if errors.Is(err, ErrMissing) {
		return services.StoredContext{}, missingContext(id, err)
	}
	if err != nil {
		return services.StoredContext{}, err
	}
	one, err := decodeContext(id, raw, at)
	if err != nil {
		return one, services.Internal(err, "the record of conversation %s cannot be read", id)
	}
	return one, nil
}

func missingContext(id string, err error) error {
	return &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("conversation %q does not exist", id), Err: err}
}

// StoreContext implements services.ContextStore.
func (m *Manager) StoreContext(ctx context.Context, one services.StoredContext) (services.StoredContext, error) {
	raw, err := json.Marshal(one)
	if err != nil {
		return one, services.Internal(err, "the record of conversation %s cannot be written", one.ID)
	}
	key := contextKind + "." + one.ID
	var at Revision
	if one.Revision == 0 {
		if err := m.Store.Room(services.Bytes(len(raw))); err != nil {
			return one, err
		}
		at, err = m.Store.Create(ctx, key, raw)
	} else {
		at, err = m.Store.Replace(ctx, key, raw, Revision(one.Revision))
	}
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrExists) {
		if _, err := m.StoredContext(ctx, one.ID); err != nil {
			return one, err
		}
		return one, &services.Fault{Kind: services.KindBusy, Message: fmt.Sprintf("conversation %s was continued elsewhere meanwhile; ask again", one.ID), RetryAfter: time.Second, Err: err}
	}
	if err != nil {
		return one, err
	}
	one.Revision = uint64(at)
	m.index.putContext(one)
	return one, nil
}

// ForgetContext implements services.ContextStore.
func (m *Manager) ForgetContext(ctx context.Context, id string) error {
	for {
		one, err := m.StoredContext(ctx, id)
		if services.KindOf(err) == services.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if err = m.removeContext(ctx, one); !errors.Is(err, ErrConflict) {
			return err
		}
	}
}

// removeContext deletes a conversation that must be at its revision; ErrConflict.
func (m *Manager) removeContext(ctx context.Context, one services.StoredContext) error {
	if err := m.Store.Delete(ctx, contextKind+"."+one.ID, Revision(one.Revision)); err != nil {
		return err
	}
	m.index.dropContext(one.ID, Revision(one.Revision))
	return nil
}

// KeepAudio implements services.ContextStore.
func (m *Manager) KeepAudio(ctx context.Context, audio services.AudioSource) (string, error) {
	id, err := digest(ctx, audio)
	if err != nil {
		return "", err
	}
	_, _, err = m.store(ctx, Upload{Audio: audio}, id, true)
	return id, err
}

// expireContexts deletes the conversations whose time has come.
func (m *Manager) expireContexts(ctx context.Context) {
	for _, one := range m.StoredContexts() {
		if time.Now().Before(one.Expires) {
			continue
		}
		if err := m.removeContext(ctx, one); err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
			m.Log.Error("an expired conversation could not be deleted", "context", one.ID, "error", err)
		}
	}
}

// putContext enters a conversation, dropContext forgets one.
func (x *index) putContext(one services.StoredContext) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.talks[one.ID].Revision < one.Revision {
		x.talks[one.ID] = one
	}
}

func (x *index) dropContext(id string, at Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if Revision(x.talks[id].Revision) <= at {
		delete(x.talks, id)
	}
}

// inConversation gives the recordings that conversations are about.
func (x *index) inConversation() map[string]bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	needed := make(map[string]bool)
	for _, one := range x.talks {
		needed[one.AudioID] = true
	}
	return needed
}

var _ services.ContextStore = (*Manager)(nil)
