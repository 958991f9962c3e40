package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// What a loss is.
type What string

// The kinds of losses.
const (
	// LostRecord is a record that the store no longer has.
	LostRecord What = "missing"
	// LostChange is a record that the store has only in an earlier state.
	LostChange What = "reverted"
	// LostContent is a record whose stored bytes are missing or incomplete.
	LostContent What = "content"
	// LostLines is a number of damaged lines of the ledger itself.
	LostLines What = "ledger"
)

// ledgerKey is the key of the loss of lines of the ledger.
const ledgerKey = "ledger"

// Loss is a record that the store lost, as found at a start.
type Loss struct {
	Key  string    `json:"key"`
	What What      `json:"what"`
	At   time.Time `json:"at"`
	// Final is true if the record had ended.
	Final bool `json:"final,omitempty"`
	// Count is the number of lines of a loss of kind LostLines.
	Count int `json:"count,omitempty"`
	// Acknowledged is true for the loss of a content that an operator knows of.
	Acknowledged bool `json:"acknowledged,omitempty"`
}

// Found is the difference between the ledger and a store.
type Found struct {
	// Missing and Reverted are the records that the store lost, or has only in an
	// earlier state.
	Missing, Reverted []Entry
	// Unknown are the keys that the ledger lacks, and Later those of records that were
	// changed after the change that was noted last, in the order of the keys.
	Unknown, Later []string
	// Revived are the keys of Unknown whose revision is not later than the mark: they had
	// been deleted, or their writing had not been acknowledged.
	Revived map[string]bool
}

// Lost reports whether the store lost anything.
func (f Found) Lost() bool { return len(f.Missing)+len(f.Reverted) > 0 }

// Compare compares the ledger with the revisions of all records of a store.
func (l *Ledger) Compare(have map[string]uint64) Found {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := Found{Revived: make(map[string]bool)}
	for key, e := range l.entries {
		at, exists := have[key]
		switch {
		case !exists:
			found.Missing = append(found.Missing, e)
		case at < e.Revision:
			found.Reverted = append(found.Reverted, e)
		case at > e.Revision:
			found.Later = append(found.Later, key)
		}
	}
	for key, at := range have {
		if _, known := l.entries[key]; known {
			continue
		}
		found.Unknown = append(found.Unknown, key)
		// What a damaged line named is not known.
		if at <= l.mark && l.damaged == 0 {
			found.Revived[key] = true
		}
	}
	byKey := func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortFunc(found.Missing, byKey)
	slices.SortFunc(found.Reverted, byKey)
	slices.Sort(found.Unknown)
	slices.Sort(found.Later)
	return found
}

// Lose notes losses, on the disk when it returns. A loss that is known is not noted
// again, nor that of a change of a record that was lost as a whole: it was restored from
// its entry, and the entry not yet replaced.
func (l *Ledger) Lose(losses []Loss) {
	l.mu.Lock()
	for _, loss := range losses {
		known, ok := l.losses[loss.Key]
		if ok && (known.What == loss.What || known.What == LostRecord && loss.What == LostChange) {
			continue
		}
		loss.At = l.now().UTC()
		l.losses[loss.Key] = loss
		l.append(line{Loss: &loss})
	}
	upTo := l.written
	l.mu.Unlock()
	l.sync(upTo)
}

// Losses returns the losses that are not acknowledged, in the order of their keys.
func (l *Ledger) Losses() []Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Loss
	for _, key := range slices.Sorted(maps.Keys(l.losses)) {
		if loss := l.losses[key]; !loss.Acknowledged {
			list = append(list, loss)
		}
	}
	return list
}

// Acknowledge notes that an operator knows of the losses, and returns how many there
// were. A content that stays missing is not reported again.
func (l *Ledger) Acknowledge() int {
	l.mu.Lock()
	n := l.acknowledge()
	if n > 0 {
		l.append(line{Acknowledged: true})
	}
	upTo := l.written
	l.mu.Unlock()
	l.sync(upTo)
	return n
}

// acknowledge forgets the losses, except the contents that stay missing. The caller
// holds mu, or is the only user.
func (l *Ledger) acknowledge() (n int) {
	for key, loss := range l.losses {
		if loss.Acknowledged {
			continue
		}
		n++
		delete(l.losses, key)
		if loss.What == LostContent {
			loss.Acknowledged = true
			l.losses[key] = loss
		}
	}
	return n
}

// Rebase replaces the entries by what the store has, after the losses were noted and
// their records restored. The mark becomes the store's last revision, which is lower
// than before if the end of the store was lost.
func (l *Ledger) Rebase(entries []Entry, last uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.entries)
	l.mark = last
	for _, e := range entries {
		l.entries[e.Key] = e
		l.mark = max(l.mark, e.Revision)
	}
	l.damaged = 0
	return l.rewrite()
}

// Current reports whether the mark and the lines of the file agree with a store whose
// last revision is given.
func (l *Ledger) Current(last uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark <= last && l.damaged == 0
}
