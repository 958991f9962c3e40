package library

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// ErrInUse is returned by Delete for a recording that an unfinished job, a conversation or
// a pattern of its owner needs.
var ErrInUse = errors.New("the recording is needed by an unfinished job, a conversation or a pattern")

// conversationGrace is how long a recording outlives the last conversation about it,
// and how long one stored for a conversation waits until the conversation is stored. It
// is also how long content without a ref waits for one.
const conversationGrace = 5 * time.Minute

const (
	audioKind = "audio"
	refKind   = "ref"
)

// Recording describes a stored recording, for the caller that asked: everything but the
// size is from the caller's own ref, so that it does not depend on other owners.
type Recording struct {
	// ID is the SHA-256 of the bytes, in hex.
	ID          string    `json:"id,omitempty"`
	Bytes       int64     `json:"bytes"`
	ContentType string    `json:"content_type,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	// Conversational is set in records of version 0.1.0 for a recording that was stored
	// only as part of a conversation.
	Conversational bool `json:"conversational,omitempty"`
	// Object is the name of the object with the bytes. A recording that is stored again after
	// its deletion has another one, so that an unfinished deletion does not remove it. It is
	// empty in records of older versions.
	Object string `json:"object,omitempty"`
	// Owned reports whether the owners of the recording have refs. It is false in records
	// of older versions until Adopt has made them.
	Owned bool `json:"owned,omitempty"`
	// Used is when it was last stored, submitted or fetched; it expires a time to live
	// later unless it is needed.
	Used    time.Time `json:"used"`
	Expires time.Time `json:"-"`
	// Name of the file, and what is known of its sound.
	Name string `json:"-"`
	Facts

	Revision records.Revision `json:"-"`
}

// Facts describe the sound of a recording. Fields that are not known are zero.
type Facts struct {
	// Duration in seconds.
	Duration   float64 `json:"duration,omitempty"`
	SampleRate int     `json:"sample_rate,omitempty"`
	Channels   int     `json:"channels,omitempty"`
}

// Probe returns what is known of a recording from its content; contentType is empty if it
// is not known.
type Probe func(services.AudioSource) (facts Facts, contentType string)

// Renditions are what was computed from recordings; renditions.Cache implements it.
type Renditions interface {
	// Drop removes those of an owner's recording, and DropAll those of a recording.
	Drop(owner, audio string)
	DropAll(audio string)
	// Retain removes those of recordings that do not exist.
	Retain(exists func(audio string) bool)
}

// noRenditions has none.
type noRenditions struct{}

// Drop implements Renditions.
func (noRenditions) Drop(string, string) {}

// DropAll implements Renditions.
func (noRenditions) DropAll(string) {}

// Retain implements Renditions.
func (noRenditions) Retain(func(string) bool) {}

// About describes a recording to be stored.
type About struct {
	// Owner for whom it is stored. Only what this owner has is not written again, so that
	// the time it takes does not depend on what others have.
	Owner string
	// Name of the file; empty for none.
	Name string
	// ContentType as detected or sent.
	ContentType string
	// Bytes is the maximum expected size; zero if unknown.
	Bytes int64
}

// Need is called by a provider for each recording that it needs, with the owner of what
// needs it. by names that if the owner may not delete the recording meanwhile; with an empty
// by it only does not expire.
type Need func(owner, id, by string)

// Library stores recordings. Safe for concurrent use.
type Library struct {
	cfg   Config
	db    *records.Database
	store records.Store
	log   *slog.Logger
	audio *records.Collection[Recording]
	refs  *records.Collection[Ref]
	index *index
	probe Probe
	// renditions are removed with their recordings.
	renditions Renditions
	// needs, pending and uses are the providers, registered before the start.
	needs   []func(Need)
	pending []func() error
	uses    []func(found func(Ref))

	mu sync.Mutex
	// writing holds the locks for storing and deleting.
	writing map[string]*sync.Mutex
	// holds counts the uses that are not in a record yet, by recording and owner.
	holds map[string]map[string]int
}

// New returns the library stored in a database, which must not have been started.
func New(cfg Config, db *records.Database, log *slog.Logger) *Library {
	l := &Library{
		cfg: cfg, db: db, store: db.Store(), log: log, index: newIndex(),
		probe:      func(services.AudioSource) (Facts, string) { return Facts{}, "" },
		renditions: noRenditions{},
		writing:    make(map[string]*sync.Mutex), holds: make(map[string]map[string]int),
	}
	l.audio = records.NewCollection(db, records.Kind[Recording]{
		Name: audioKind,
		Meta: func(r Recording) records.Meta {
			return records.Meta{ID: r.ID, Created: r.Created, Expires: r.Used.Add(cfg.TTL), Revision: r.Revision}
		},
		With: func(r Recording, m records.Meta) Recording {
			r.ID, r.Created, r.Revision, r.Expires = m.ID, m.Created, m.Revision, r.Used.Add(cfg.TTL)
			return r
		},
		Legacy: func(id string, raw []byte) (r Recording, err error) {
			err = json.Unmarshal(raw, &r)
			r.ID = id
			return r, err
		},
		Objects: func(r Recording) []string { return []string{r.object()} },
	}, func(e records.Event[Recording]) {
		l.index.content(e)
		if e.Now == nil {
			l.renditions.DropAll(e.ID)
		}
	})
	l.refs = records.NewCollection(db, refs(cfg), func(e records.Event[Ref]) {
		l.index.refer(e)
		if e.Now == nil {
			l.renditions.Drop(e.Before.Value.Owner, e.Before.Value.AudioID)
		}
	})
	db.OnSweep(l.sweep)
	return l
}

// OnNeeds registers a provider, which calls its argument for every recording that it
// needs. It must be called before the start.
func (l *Library) OnNeeds(provider func(Need)) { l.needs = append(l.needs, provider) }

// OnPending registers a function that returns a fault while a provider does not know yet what
// it needs; nothing is deleted then. It must be called before the start.
func (l *Library) OnPending(pending func() error) { l.pending = append(l.pending, pending) }

// known returns a fault unless every provider knows what it needs.
func (l *Library) known() error {
	for _, pending := range l.pending {
		if err := pending(); err != nil {
			return err
		}
	}
	return nil
}

// OnUses registers a provider, which calls its argument for every recording that it has used,
// with a ref that lacks the time of its use. It must be called before the start.
func (l *Library) OnUses(provider func(found func(Ref))) { l.uses = append(l.uses, provider) }

// SetProbe sets what reads the facts of a recording that is stored. It must be called before
// the start.
func (l *Library) SetProbe(probe Probe) { l.probe = probe }

// SetRenditions sets what is removed with recordings. It must be called before the start.
func (l *Library) SetRenditions(renditions Renditions) { l.renditions = renditions }

// Bytes returns the size of all stored recordings.
func (l *Library) Bytes() services.Bytes { return services.Bytes(l.index.stored()) }

// Describe returns the description of a recording that the caller may see, or a fault of
// kind not found. An admin may see the recordings of every owner.
func (l *Library) Describe(ctx context.Context, caller services.Caller, id string) (Recording, error) {
	ref, err := l.refs.Load(ctx, refID(caller.Key, id))
	has := err == nil
	if errors.Is(err, records.ErrMissing) && !caller.All {
		ref, err = l.adopted(ctx, caller.Key, id)
		has = err == nil
	}
	if err != nil && (!errors.Is(err, records.ErrMissing) || !caller.All) {
		return Recording{}, unlessMissing(id, err)
	}
	recording, err := l.audio.Load(ctx, id)
	if err != nil {
		return Recording{}, unlessMissing(id, err)
	}
	if !has {
		ref, has = l.anyRef(id)
	}
	if has {
		recording = l.as(recording, ref)
	}
	return recording, nil
}

// anyRef returns a ref to a recording, from the index.
func (l *Library) anyRef(id string) (Ref, bool) {
	owner, found := l.index.first(id)
	if !found {
		return Ref{}, false
	}
	return l.refs.Get(refID(owner, id))
}

// as returns a recording as the owner of a ref sees it.
func (l *Library) as(r Recording, ref Ref) Recording {
	r.Name, r.Facts, r.Created, r.Used = ref.Name, ref.Facts, ref.Created, ref.Used
	r.Expires = ref.Used.Add(l.cfg.TTL)
	if ref.ContentType != "" {
		r.ContentType = ref.ContentType
	}
	return r
}

// unlessMissing returns the fault for a recording that does not exist, or err unchanged.
func unlessMissing(id string, err error) error {
	if !errors.Is(err, records.ErrMissing) {
		return err
	}
	return &services.Fault{
		Kind: services.KindNotFound, Message: fmt.Sprintf("recording %q does not exist, or has expired", id), Err: err,
	}
}

// Hold prevents this process from deleting a recording until release is called, for a
// use by an owner that is not in a record yet.
func (l *Library) Hold(owner, id string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds[id] == nil {
		l.holds[id] = make(map[string]int)
	}
	l.holds[id][owner]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.holds[id][owner]--; l.holds[id][owner] == 0 {
			delete(l.holds[id], owner)
		}
		if len(l.holds[id]) == 0 {
			delete(l.holds, id)
		}
	}
}

// isHeld reports whether an owner that matches holds a recording.
func (l *Library) isHeld(id string, matches func(owner string) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for owner := range l.holds[id] {
		if matches(owner) {
			return true
		}
	}
	return false
}

func anyone(string) bool { return true }

// busy returns the fault for a recording that another request stores, uses or deletes.
func busy(id string, err error) error {
	return &services.Fault{
		Kind:       services.KindBusy,
		Message:    fmt.Sprintf("recording %s is being stored, used or deleted by another request", id),
		RetryAfter: time.Second, Err: err,
	}
}

// objectPrefix begins the names of objects with recordings. The id follows.
const objectPrefix = audioKind + "-"

// object returns the name of the object with the bytes.
func (r Recording) object() string { return cmp.Or(r.Object, objectPrefix+r.ID) }

// lock locks the storing and deleting of a recording until unlock is called.
func (l *Library) lock(id string) (unlock func()) {
	l.mu.Lock()
	// A few locks are shared by all recordings.
	shard := id[:min(1, len(id))]
	lock := l.writing[shard]
	if lock == nil {
		lock = &sync.Mutex{}
		l.writing[shard] = lock
	}
	l.mu.Unlock()
	lock.Lock()
	return lock.Unlock
}
