package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

const (
	// MaxEntries is how many entries are kept; the oldest are deleted.
	MaxEntries = 10_000
	// MaxSessions is how many entries of sessions are kept apart from the others, which they
	// do not displace: anybody can try to sign in.
	MaxSessions = 1000
)

// maxText is how much of a text is recorded, in bytes. Requests that are refused have texts
// of any length.
const maxText = 512

// Entry is one request that changed the server, or was to, or by which a session of the
// console began or ended, or was to.
type Entry struct {
	ID string    `json:"-"`
	At time.Time `json:"-"`
	// Key is the id of the API key, and KeyName its name at the time; empty where none is
	// required. Client is the address of the client.
	Key     string `json:"key,omitempty"`
	KeyName string `json:"key_name,omitempty"`
	Client  string `json:"client,omitempty"`
	// Session is set if it is about a session of the console.
	Session bool `json:"session,omitempty"`
	// Operation is the id of the operation in the contract, or signIn or signOut.
	Operation string `json:"operation"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	// Target is what was changed, if the path does not name it.
	Target string `json:"target,omitempty"`
	// Reason is that of the operator.
	Reason string `json:"reason,omitempty"`
	// Status is that of the response, and Code the code of its problem.
	Status    int    `json:"status"`
	Code      string `json:"code,omitempty"`
	RequestID string `json:"request_id,omitempty"`

	revision records.Revision
}

// entryKind describes the records of entries.
var entryKind = records.Kind[Entry]{
	Name: "audit",
	Meta: func(e Entry) records.Meta { return records.Meta{ID: e.ID, Created: e.At, Revision: e.revision} },
	With: func(e Entry, m records.Meta) Entry {
		e.ID, e.At, e.revision = m.ID, m.Created, m.Revision
		return e
	},
}

// Log has the latest entries. Safe for concurrent use.
type Log struct {
	db  *records.Database
	all *records.Collection[Entry]
	// most has how many entries are kept: those of sessions, and all others.
	most map[bool]int
}

// New returns the entries that are stored in a database, which must not have been started.
func New(db *records.Database) *Log {
	return &Log{db: db, all: records.NewCollection(db, entryKind, nil), most: map[bool]int{true: MaxSessions, false: MaxEntries}}
}

// Add stores an entry, and deletes the oldest ones beyond MaxEntries or MaxSessions. The
// entry's id and time are set here. Its texts are cut at 512 bytes.
func (l *Log) Add(ctx context.Context, e Entry) error {
	e.ID, e.At = "audit-"+strings.ToLower(rand.Text()), time.Now().UTC()
	for _, text := range []*string{&e.KeyName, &e.Client, &e.Path, &e.Target, &e.Reason} {
		*text = cut(*text)
	}
	if _, err := l.all.Create(ctx, e); err != nil {
		return fmt.Errorf("record an action: %w", err)
	}
	return l.trim(ctx, e.Session)
}

// cut returns valid UTF-8 of at most maxText bytes.
func cut(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }

// trim deletes the oldest entries beyond the limit of those of sessions, or of the others.
// In a store that is shared, another process may delete them first.
func (l *Log) trim(ctx context.Context, session bool) error {
	n := -l.most[session]
	l.all.Each(func(e records.Entry[Entry]) bool {
		if e.Value.Session == session {
			n++
		}
		return true
	})
	if n <= 0 {
		return nil
	}
	for _, old := range l.all.Select(n, func(e Entry) bool { return e.Session == session }) {
		err := l.all.Delete(ctx, old)
		if err != nil && !errors.Is(err, records.ErrMissing) && !errors.Is(err, records.ErrConflict) {
			return fmt.Errorf("delete the oldest action: %w", err)
		}
	}
	return nil
}

// List returns a page of the entries, the newest first. An invalid cursor is an invalid
// field.
func (l *Log) List(limit int, cursor string) (records.Page[Entry], error) {
	if err := l.db.NotReady("actions"); err != nil {
		return records.Page[Entry]{}, err
	}
	return l.all.List(records.Query[Entry]{Limit: limit, Cursor: cursor})
}
