package library

import (
	"cmp"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// index has the size and the refs of every recording, and follows the records. Safe for
// concurrent use.
type index struct {
	mu  sync.Mutex
	all map[string]*indexed
	// bytes of all recordings, each once, and once for each ref.
	bytes, charged int64
}

// indexed is a recording in the index.
type indexed struct {
	known bool
	bytes int64
	// refs by owner.
	refs map[string]listed
}

// listed is a ref in the index.
type listed struct {
	created        time.Time
	conversational bool
}

func newIndex() *index { return &index{all: make(map[string]*indexed)} }

// change changes a recording in the index.
func (x *index) change(id string, change func(*indexed)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	one := x.all[id]
	if one == nil {
		one = &indexed{refs: make(map[string]listed)}
		x.all[id] = one
	}
	bytes, charged := one.bytes, one.charge()
	change(one)
	x.bytes += one.bytes - bytes
	x.charged += one.charge() - charged
	if !one.known && len(one.refs) == 0 {
		delete(x.all, id)
	}
}

// charge returns what a recording uses of the quota: its size for each owner, so that the
// room that one owner has does not depend on what the others have.
func (one *indexed) charge() int64 { return one.bytes * int64(max(1, len(one.refs))) }

// content applies a change of a recording's content.
func (x *index) content(e records.Event[Recording]) {
	x.change(e.ID, func(one *indexed) {
		one.known, one.bytes = e.Now != nil, 0
		if e.Now != nil {
			one.bytes = e.Now.Value.Bytes
		}
	})
}

// refer applies a change of a ref.
func (x *index) refer(e records.Event[Ref]) {
	entry := cmp.Or(e.Now, e.Before)
	ref := entry.Value
	x.change(ref.AudioID, func(one *indexed) {
		delete(one.refs, ref.Owner)
		if e.Now != nil {
			one.refs[ref.Owner] = listed{ref.Created, ref.Conversational}
		}
	})
}

// stored returns the bytes of all recordings.
func (x *index) stored() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bytes
}

// used returns the bytes that count against the quota.
func (x *index) used() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.charged
}

// isReferred reports whether a recording has a ref.
func (x *index) isReferred(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.all[id] != nil && len(x.all[id].refs) > 0
}

// isListed reports whether a ref stands for its recording in a list of one owner, or, with
// all, in a list of all owners, where the owner's own ref comes first and then the oldest.
func (x *index) isListed(ref Ref, owner string, all bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	one := x.all[ref.AudioID]
	switch {
	case one == nil || !one.known || ref.Conversational:
		return false
	case ref.Owner == owner || !all:
		return ref.Owner == owner
	}
	if own, has := one.refs[owner]; has && !own.conversational {
		return false
	}
	first, _ := one.first()
	return first == ref.Owner
}

// first returns the owner of the oldest ref to a recording; refs made for conversations
// come last.
func (x *index) first(id string) (owner string, found bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all[id] == nil {
		return "", false
	}
	return x.all[id].first()
}

func (one *indexed) first() (owner string, found bool) {
	var oldest listed
	for name, ref := range one.refs {
		if !found || ref.before(oldest, name < owner) {
			owner, oldest, found = name, ref, true
		}
	}
	return owner, found
}

// before orders refs; tie decides between those of the same time.
func (a listed) before(b listed, tie bool) bool {
	if a.conversational != b.conversational {
		return b.conversational
	}
	if order := a.created.Compare(b.created); order != 0 {
		return order < 0
	}
	return tie
}

// owners returns the owners of the refs to a recording.
func (x *index) owners(id string) (owners []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if one := x.all[id]; one != nil {
		for owner := range one.refs {
			owners = append(owners, owner)
		}
	}
	return owners
}
