package library

import (
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// maxName bounds the file name of a recording, in bytes.
const maxName = 255

// Ref is an owner's reference to a recording. Content with a ref is not deleted, and only
// an owner with a ref, or an admin, finds it.
type Ref struct {
	Owner       string    `json:"-"`
	AudioID     string    `json:"-"`
	Name        string    `json:"name,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Created     time.Time `json:"-"`
	Used        time.Time `json:"used"`
	Facts
	// Conversational is set for a recording that the owner stored only as part of a
	// conversation: it is not listed, and expires soon after the last conversation.
	Conversational bool             `json:"conversational,omitempty"`
	Revision       records.Revision `json:"-"`
}

// plainOwner matches owners that can be part of a key unchanged.
var plainOwner = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// refID returns the id of an owner's ref, which is a valid key in every store.
func refID(owner, audioID string) string {
	switch {
	case owner == "":
		owner = "_"
	case !plainOwner.MatchString(owner):
		owner = "_" + hex.EncodeToString([]byte(owner))
	}
	return owner + "." + audioID
}

// refs describes the records of refs.
func refs(cfg Config) records.Kind[Ref] {
	return records.Kind[Ref]{
		Name: refKind,
		Meta: func(r Ref) records.Meta {
			return records.Meta{
				ID: refID(r.Owner, r.AudioID), Owner: r.Owner, Created: r.Created, Expires: r.Used.Add(r.life(cfg)),
				Revision: r.Revision,
			}
		},
		With: func(r Ref, m records.Meta) Ref {
			r.Owner, r.Created, r.Revision = m.Owner, m.Created, m.Revision
			r.AudioID = m.ID[strings.LastIndexByte(m.ID, '.')+1:]
			return r
		},
	}
}

// life returns how long a ref that nothing needs stays after its last use.
func (r Ref) life(cfg Config) time.Duration {
	if r.Conversational {
		return min(cfg.TTL, conversationGrace)
	}
	return cfg.TTL
}

// List returns a page of the caller's recordings, the newest first. An admin sees those of
// all owners, each once.
func (l *Library) List(_ context.Context, caller services.Caller, limit int, cursor string) (records.Page[Recording], error) {
	var page records.Page[Recording]
	if err := l.db.NotReady("recordings"); err != nil {
		return page, err
	}
	found, err := l.refs.List(records.Query[Ref]{Limit: limit, Cursor: cursor, Matches: func(r Ref) bool {
		return l.index.isListed(r, caller.Key, caller.All)
	}})
	if err != nil {
		return page, err
	}
	page.Next = found.Next
	for _, ref := range found.Data {
		if recording, known := l.audio.Get(ref.AudioID); known { // it may have been deleted
			page.Data = append(page.Data, l.as(recording, ref))
		}
	}
	return page, nil
}

// refer creates a ref, or updates an existing one of the same owner.
func (l *Library) refer(ctx context.Context, ref Ref) (written Ref, created bool, err error) {
	for {
		written, err = l.refs.Create(ctx, ref)
		if !errors.Is(err, records.ErrExists) {
			return written, err == nil, err
		}
		if written, err = l.renew(ctx, ref); !errors.Is(err, records.ErrMissing) {
			return written, false, err // else deleted between the two
		}
	}
}

// renew updates a ref from a later one of the same owner. A ref that was made for its own
// sake does not become one of a conversation. It returns ErrMissing if there is none.
func (l *Library) renew(ctx context.Context, later Ref) (Ref, error) {
	return l.refs.Edit(ctx, refID(later.Owner, later.AudioID), func(known *Ref) (bool, error) {
		if l.isFresh(*known, later) {
			return false, nil
		}
		if later.Name != "" {
			known.Name = later.Name
		}
		if later.ContentType != "" {
			known.ContentType = later.ContentType
		}
		if later.Facts != (Facts{}) {
			known.Facts = later.Facts
		}
		if later.Used.After(known.Used) {
			known.Used = later.Used
		}
		known.Conversational = known.Conversational && later.Conversational
		return true, nil
	})
}

// isFresh reports whether a ref need not be updated from a later one. One of a conversation
// is always updated: it may be about to be deleted with its last conversation.
func (l *Library) isFresh(known, later Ref) bool {
	return !known.Conversational && (later.Name == "" || later.Name == known.Name) &&
		(later.ContentType == "" || later.ContentType == known.ContentType) &&
		(later.Facts == Facts{} || later.Facts == known.Facts) && later.Used.Sub(known.Used) < l.cfg.TTL/20
}

// Use records the use of a recording by a caller, which extends its time to live. It writes
// only if that makes a difference. An admin gets a ref to a recording of another.
func (l *Library) Use(ctx context.Context, caller services.Caller, id string) error {
	now := time.Now().UTC()
	if known, found := l.refs.Get(refID(caller.Key, id)); found && now.Sub(known.Used) < l.cfg.TTL/20 {
		return nil
	}
	_, err := l.refs.Edit(ctx, refID(caller.Key, id), func(known *Ref) (bool, error) {
		known.Used = now
		return true, nil
	})
	if errors.Is(err, records.ErrMissing) && caller.All {
		_, _, err = l.claim(ctx, id, nil, Ref{Owner: caller.Key, AudioID: id, Created: now, Used: now})
	}
	return unlessMissing(id, err)
}

// note is like Use for whoever reads a recording: it does not make a ref, and only logs
// errors.
func (l *Library) note(ctx context.Context, owner, id string) {
	err := l.Use(ctx, services.Caller{Key: owner}, id)
	if err != nil && services.KindOf(err) != services.KindNotFound {
		l.log.Warn("the use of a recording was not noted", "audio", id, "error", err)
	}
}

// CleanName returns a file name without folders and control characters, at most
// maxName bytes long.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name)
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.TrimSpace(name)
}
