package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// ErrInUse is returned by Delete for a recording that an unfinished job or a
// conversation needs.
var ErrInUse = errors.New("the recording is needed by an unfinished job or a conversation")

// conversationGrace is how long a recording outlives the last conversation about it,
// and how long one stored for a conversation waits until the conversation is stored.
const conversationGrace = 5 * time.Minute

const (
	audioKind = "audio"
	refKind   = "ref"
)

// Recording describes a stored recording.
type Recording struct {
	// ID is the SHA-256 of the bytes, in hex.
	ID          string    `json:"id,omitempty"`
	Bytes       int64     `json:"bytes"`
	ContentType string    `json:"content_type,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	// Conversational reports whether the recording was stored only as part of a
	// conversation: it is deleted soon after the last conversation about it.
	Conversational bool `json:"conversational,omitempty"`
	// Used is when it was last stored, submitted or fetched; it expires a time to live
	// later unless it is needed.
	Used    time.Time `json:"used"`
	Expires time.Time `json:"-"`

	Revision records.Revision `json:"-"`
}

// About describes a recording to be stored.
type About struct {
	// Name of the file; empty for none.
	Name string
	// ContentType as sniffed or sent.
	ContentType string
	// Bytes is the maximum expected size; zero if unknown.
	Bytes int64
}

// Need is called by a provider for each recording that it needs. by names what needs it
// if the deletion must be refused; with an empty by it only does not expire.
type Need func(id, by string)

// Library stores recordings. Safe for concurrent use.
type Library struct {
	cfg   Config
	db    *records.Database
	store records.Store
	log   *slog.Logger
	audio *records.Collection[Recording]
	refs  *records.Collection[Ref]
	// bytes of all recordings.
	bytes atomic.Int64
	// needs are the providers, registered before the start.
	needs []func(Need)

	mu sync.Mutex
	// writing holds the locks for storing and deleting.
	writing map[string]*sync.Mutex
	// holds counts the uses that are not in a record yet.
	holds map[string]int
}

// New returns the library stored in a database, which must not have been started.
func New(cfg Config, db *records.Database, log *slog.Logger) *Library {
	l := &Library{cfg: cfg, db: db, store: db.Store(), log: log, writing: make(map[string]*sync.Mutex), holds: make(map[string]int)}
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
		Objects: func(r Recording) []string { return []string{object(r.ID)} },
	}, l.count)
	l.refs = records.NewCollection(db, refs(cfg), nil)
	db.OnSweep(l.sweep)
	return l
}

// OnNeeds registers a provider, which calls its argument for every recording that it
// needs. It must be called before the start.
func (l *Library) OnNeeds(provider func(Need)) { l.needs = append(l.needs, provider) }

// count updates the sum of all bytes.
func (l *Library) count(e records.Event[Recording]) {
	if e.Before != nil {
		l.bytes.Add(-e.Before.Value.Bytes)
	}
	if e.Now != nil {
		l.bytes.Add(e.Now.Value.Bytes)
	}
}

// Bytes returns the size of all stored recordings.
func (l *Library) Bytes() services.Bytes { return services.Bytes(l.bytes.Load()) }

// Describe returns the description of a stored recording, or a fault of kind not found.
func (l *Library) Describe(ctx context.Context, id string) (Recording, error) {
	recording, err := l.audio.Load(ctx, id)
	if errors.Is(err, records.ErrMissing) {
		return Recording{}, &services.Fault{
			Kind: services.KindNotFound, Message: fmt.Sprintf("recording %q does not exist, or has expired", id), Err: err,
		}
	}
	return recording, err
}

// Hold prevents this process from deleting a recording until release is called, for a
// use that is not in a record yet.
func (l *Library) Hold(id string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds[id]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.holds[id]--; l.holds[id] == 0 {
			delete(l.holds, id)
		}
	}
}

// Use records the use of a recording by an owner, which extends its time to live. It
// writes only if that makes a difference.
func (l *Library) Use(ctx context.Context, owner string, recording Recording) error {
	l.useRef(ctx, owner, recording.ID)
	if time.Since(recording.Used) < l.cfg.TTL/20 {
		return nil
	}
	_, err := l.refresh(ctx, recording)
	if !errors.Is(err, records.ErrConflict) {
		return err
	}
	// Another request used or deleted it.
	_, err = l.Describe(ctx, recording.ID)
	return err
}

// refresh writes a recording's record as used now. The fault is of kind busy if it is
// being changed or deleted.
func (l *Library) refresh(ctx context.Context, recording Recording) (Recording, error) {
	recording.Used = time.Now().UTC()
	written, err := l.audio.Replace(ctx, recording)
	if errors.Is(err, records.ErrConflict) {
		return recording, busy(recording.ID, err)
	}
	return written, err
}

// busy returns the fault for a recording that another request stores, uses or deletes.
func busy(id string, err error) error {
	return &services.Fault{
		Kind:       services.KindBusy,
		Message:    fmt.Sprintf("recording %s is being stored, used or deleted by another request", id),
		RetryAfter: time.Second, Err: err,
	}
}

func object(id string) string { return audioKind + "-" + id }

// lock returns the lock for storing and deleting a recording.
func (l *Library) lock(id string) *sync.Mutex {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A few locks are shared by all recordings.
	shard := id[:min(1, len(id))]
	if l.writing[shard] == nil {
		l.writing[shard] = &sync.Mutex{}
	}
	return l.writing[shard]
}
