package library

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// maxName bounds the file name of a recording, in bytes.
const maxName = 255

// Ref is an owner's reference to a recording, with the file name.
type Ref struct {
	Owner       string           `json:"-"`
	AudioID     string           `json:"-"`
	Name        string           `json:"name,omitempty"`
	ContentType string           `json:"content_type,omitempty"`
	Created     time.Time        `json:"-"`
	Used        time.Time        `json:"used"`
	Revision    records.Revision `json:"-"`
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
				ID: refID(r.Owner, r.AudioID), Owner: r.Owner, Created: r.Created, Expires: r.Used.Add(cfg.TTL),
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

// Listed is a recording in its owner's list.
type Listed struct {
	Recording
	Name string
}

// List returns a page of an owner's recordings, the newest first.
func (l *Library) List(_ context.Context, owner string, limit int, cursor string) (records.Page[Listed], error) {
	var page records.Page[Listed]
	if err := l.db.NotReady("recordings"); err != nil {
		return page, err
	}
	found, err := l.refs.List(records.Query[Ref]{Limit: limit, Cursor: cursor, Matches: func(r Ref) bool {
		_, known := l.audio.Get(r.AudioID)
		return r.Owner == owner && known
	}})
	if err != nil {
		return page, err
	}
	page.Next = found.Next
	for _, ref := range found.Data {
		recording, known := l.audio.Get(ref.AudioID)
		if !known {
			continue // it has been deleted
		}
		recording.Created, recording.Used = ref.Created, ref.Used
		if ref.ContentType != "" {
			recording.ContentType = ref.ContentType
		}
		page.Data = append(page.Data, Listed{recording, ref.Name})
	}
	return page, nil
}

// refer records that an owner stored a recording. It only logs errors: the recording is
// stored, and its next use tries again.
func (l *Library) refer(ctx context.Context, owner, id string, about About) {
	now := time.Now().UTC()
	err := l.Refer(ctx, Ref{Owner: owner, AudioID: id, Name: about.Name, ContentType: about.ContentType, Created: now, Used: now})
	if err != nil {
		l.log.Warn("the name of a recording was not noted", "audio", id, "error", err)
	}
}

// Refer creates a ref, or updates name and use of an existing one.
func (l *Library) Refer(ctx context.Context, ref Ref) error {
	ref.Name = cleanName(ref.Name)
	known, found := l.refs.Get(refID(ref.Owner, ref.AudioID))
	if found && l.fresh(known, ref) {
		return nil
	}
	if !found {
		if _, err := l.refs.Create(ctx, ref); !errors.Is(err, records.ErrExists) {
			return err
		}
	}
	_, err := l.refs.Edit(ctx, refID(ref.Owner, ref.AudioID), func(stored *Ref) (bool, error) {
		if l.fresh(*stored, ref) {
			return false, nil
		}
		if ref.Name != "" {
			stored.Name = ref.Name
		}
		if ref.ContentType != "" {
			stored.ContentType = ref.ContentType
		}
		if ref.Used.After(stored.Used) {
			stored.Used = ref.Used
		}
		return true, nil
	})
	if errors.Is(err, records.ErrMissing) {
		_, err = l.refs.Create(ctx, ref) // deleted between the two
	}
	return err
}

// ReferAll creates refs to recordings of version 0.1.0, which had no owners. Recordings
// without a known owner that were not stored for a conversation are listed where no
// keys are required.
func (l *Library) ReferAll(ctx context.Context, refs []Ref) error {
	referred := make(map[string]bool)
	for _, ref := range refs {
		if _, known := l.audio.Get(ref.AudioID); !known {
			continue
		}
		referred[ref.AudioID] = true
		if err := l.Refer(ctx, ref); err != nil {
			return err
		}
	}
	for _, r := range l.audio.Select(math.MaxInt, func(r Recording) bool { return !referred[r.ID] && !r.Conversational }) {
		if err := l.Refer(ctx, Ref{AudioID: r.ID, ContentType: r.ContentType, Created: r.Created, Used: r.Used}); err != nil {
			return err
		}
	}
	return nil
}

// fresh reports whether a ref need not be updated from a later one.
func (l *Library) fresh(known, later Ref) bool {
	return (later.Name == "" || later.Name == known.Name) && (later.ContentType == "" || later.ContentType == known.ContentType) &&
		later.Used.Sub(known.Used) < l.cfg.TTL/20
}

// useRef records the use of a recording by an owner that has a ref to it.
func (l *Library) useRef(ctx context.Context, owner, id string) {
	known, found := l.refs.Get(refID(owner, id))
	if !found || time.Since(known.Used) < l.cfg.TTL/20 {
		return
	}
	known.Used = time.Now().UTC()
	if _, err := l.refs.Replace(ctx, known); err != nil && !errors.Is(err, records.ErrConflict) {
		l.log.Warn("the use of a recording was not noted", "audio", id, "error", err)
	}
}

// cleanName returns a file name without folders and control characters, at most
// maxName bytes long.
func cleanName(name string) string {
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
