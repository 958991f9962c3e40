package records

import (
	"encoding/json"
	"fmt"
	"time"
)

// Schema is the version of the envelope that this program writes.
const Schema = 1

// Meta holds the fields of an envelope other than the body.
type Meta struct {
	ID string
	// Owner is empty for records without one.
	Owner   string
	Created time.Time
	Updated time.Time
	// Expires is zero for a record that does not expire by itself.
	Expires  time.Time
	Revision Revision
}

// envelope is a record as stored.
type envelope struct {
	Schema  int             `json:"schema"`
	Kind    string          `json:"kind"`
	ID      string          `json:"id"`
	Owner   string          `json:"owner"`
	Created time.Time       `json:"created,omitzero"`
	Updated time.Time       `json:"updated"`
	Expires time.Time       `json:"expires,omitzero"`
	Body    json.RawMessage `json:"body"`
}

// Kind describes the records of one kind with values of type T.
type Kind[T any] struct {
	// Name is the first part of the key and the envelope's kind.
	Name string
	// Meta returns the envelope's fields for a value.
	Meta func(T) Meta
	// With returns the value with the envelope's fields, which the body does not
	// contain.
	With func(T, Meta) T
	// Legacy decodes a record of version 0.1.0, which has no envelope; nil if that
	// version had none of this kind.
	Legacy func(id string, raw []byte) (T, error)
	// Slim removes what the index need not hold; nil removes nothing.
	Slim func(T) T
	// Note returns what the ledger notes of a record besides its revision; nil notes
	// nothing, and every change of the revision.
	Note func(T) json.RawMessage
	// Repeatable records can be made again: their entries in the ledger are not synced, so
	// that a loss of power together with one of the record can go unnoticed.
	Repeatable bool
	// Final reports whether a record has ended, and must not begin again; nil for kinds
	// whose records begin nothing.
	Final func(T) bool
	// Restore returns what is written for a record that the store lost, from its note.
	// stale is the earlier state that the store has, nil if it has none. With false
	// nothing is written. nil restores nothing.
	Restore func(id string, noted Noted, stale *T) (T, bool)
	// Objects returns the names of the objects that a record refers to; nil for none.
	Objects func(T) []string
}

// Noted is what the ledger has of a record.
type Noted struct {
	Final bool
	Note  json.RawMessage
}

func (k Kind[T]) key(id string) string { return k.Name + "." + id }

// encode returns the record of a value.
func (k Kind[T]) encode(value T, now time.Time) ([]byte, error) {
	body, err := json.Marshal(k.With(value, Meta{}))
	if err != nil {
		return nil, fmt.Errorf("encode the body of %s %s: %w", k.Name, k.Meta(value).ID, err)
	}
	meta := k.Meta(value)
	return json.Marshal(envelope{
		Schema: Schema, Kind: k.Name, ID: meta.ID, Owner: meta.Owner,
		Created: meta.Created, Updated: now.UTC(), Expires: meta.Expires, Body: body,
	})
}

// decode decodes a record. legacy is true if it was written by version 0.1.0.
func (k Kind[T]) decode(id string, raw []byte, at Revision) (value T, legacy bool, err error) {
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return value, false, fmt.Errorf("decode %s %s: %w", k.Name, id, err)
	}
	switch {
	case e.Schema > Schema:
		return value, false, fmt.Errorf("decode %s %s: its schema is %d, and this version reads up to %d", k.Name, id, e.Schema, Schema)
	case e.Schema > 0 && (e.Kind != k.Name || e.ID != id):
		return value, false, fmt.Errorf("decode %s %s: it is the record of %s %s", k.Name, id, e.Kind, e.ID)
	case e.Schema > 0:
		err = json.Unmarshal(e.Body, &value)
	case k.Legacy == nil:
		err = fmt.Errorf("it has no schema")
	default:
		value, err = k.Legacy(id, raw)
		meta := k.Meta(value)
		e.Owner, e.Created, e.Expires, legacy = meta.Owner, meta.Created, meta.Expires, true
	}
	if err != nil {
		return value, legacy, fmt.Errorf("decode %s %s: %w", k.Name, id, err)
	}
	return k.With(value, Meta{ID: id, Owner: e.Owner, Created: e.Created, Updated: e.Updated, Expires: e.Expires, Revision: at}), legacy, nil
}
