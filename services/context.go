package services

import (
	"context"
	"encoding/json"
	"time"
)

// ContextInfo describes a conversation about a recording.
type ContextInfo struct {
	ID, Model string
	// AudioID names the recording among those that the server keeps.
	AudioID                string
	Created, Used, Expires time.Time
	// DurationSeconds of the recording.
	DurationSeconds float64
	Turns           []Exchange
	// CachedTokens and CachedBytes are kept in memory, so that the next question is
	// answered sooner; none after a restart or an eviction.
	CachedTokens int
	CachedBytes  Bytes
}

// Exchange is one question with its answer.
type Exchange struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// Contexts keeps conversations, each for the key that began it. What another key
// began is not found. Safe for concurrent use.
type Contexts interface {
	// CreateContext begins a conversation about a recording, which it keeps. The model is
	// the service's default where it is empty.
	CreateContext(ctx context.Context, caller Caller, model string, audio AudioSource) (ContextInfo, error)
	// ListContexts gives those of the caller, the latest used first.
	ListContexts(ctx context.Context, caller Caller) ([]ContextInfo, error)
	// Context gives one; the fault is not found.
	Context(ctx context.Context, caller Caller, id string) (ContextInfo, error)
	// DeleteContext forgets one, and its recording where nothing else needs that.
	DeleteContext(ctx context.Context, caller Caller, id string) error
}

// StoredContext is a conversation as a ContextStore keeps it.
type StoredContext struct {
	ID string `json:"-"`
	// AudioID names the recording that it is about.
	AudioID string `json:"audio_id"`
	// Owner is the caller that began it, Created when.
	Owner   string    `json:"-"`
	Created time.Time `json:"-"`
	// Expires is when the store may forget it.
	Expires time.Time `json:"expires,omitzero"`
	// Record is what the service wrote of it.
	Record json.RawMessage `json:"record"`
	// Revision of the record as read; zero for one that is not stored yet.
	Revision uint64 `json:"-"`
}

// ContextStore keeps conversations with their recordings, so that they outlive the
// process and can go on in another. A write that returned is durable. Safe for
// concurrent use.
type ContextStore interface {
	// StoredContexts gives all that are known here, in no order.
	StoredContexts() []StoredContext
	// StoredContext gives one as last written by anybody; the fault is not found.
	StoredContext(ctx context.Context, id string) (StoredContext, error)
	// StoreContext writes one that is still at its revision, and gives it with its
	// new one. The fault is busy where somebody else wrote it meanwhile, and not
	// found where somebody deleted it.
	StoreContext(ctx context.Context, one StoredContext) (StoredContext, error)
	// ForgetContext deletes one; its recording goes soon where nothing else needs
	// it. A missing one is no error.
	ForgetContext(ctx context.Context, id string) error
	// KeepAudio stores the recording of a conversation to come, once by its content,
	// and gives its id.
	KeepAudio(ctx context.Context, audio AudioSource) (id string, err error)
	// StoredAudio gives a recording, until it is released; the fault is not found.
	StoredAudio(ctx context.Context, id string) (source AudioSource, release func(), err error)
}
