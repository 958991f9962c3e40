package services

import (
	"context"
	"encoding/json"
	"time"
)

// ContextInfo describes a conversation about a recording.
type ContextInfo struct {
	ID, Model string
	// AudioID is the id of the recording in the library.
	AudioID                string
	Created, Used, Expires time.Time
	// DurationSeconds of the recording.
	DurationSeconds float64
	Turns           []Exchange
	// CachedTokens and CachedBytes describe the state that is held in memory to answer
	// the next question sooner. They are zero after a restart or an eviction.
	CachedTokens int
	CachedBytes  Bytes
}

// Exchange is one question with its answer.
type Exchange struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// NewContext describes a conversation to be created.
type NewContext struct {
	// Model to ask; empty for the service's default.
	Model string
	Audio AudioSource
	Reading
}

// Contexts manages conversations. Each belongs to the key that created it and is not
// found under another one. Safe for concurrent use.
type Contexts interface {
	// CreateContext creates a conversation about a recording and stores the recording.
	CreateContext(ctx context.Context, caller Caller, about NewContext) (ContextInfo, error)
	// ListContexts returns the caller's conversations, the most recently used first.
	ListContexts(ctx context.Context, caller Caller) ([]ContextInfo, error)
	// Context returns one conversation. It returns a KindNotFound fault if there is
	// none.
	Context(ctx context.Context, caller Caller, id string) (ContextInfo, error)
	// DeleteContext deletes a conversation, and its recording unless something else
	// needs it.
	DeleteContext(ctx context.Context, caller Caller, id string) error
}

// StoredContext is a conversation as a ContextStore stores it.
type StoredContext struct {
	ID string `json:"-"`
	// AudioID is the id of the recording.
	AudioID string `json:"audio_id"`
	// Owner is the caller that created the conversation.
	Owner   string    `json:"-"`
	Created time.Time `json:"-"`
	// Expires is the time after which the store may delete the conversation.
	Expires time.Time `json:"expires,omitzero"`
	// Record is the service's encoding of the conversation.
	Record json.RawMessage `json:"record"`
	// Revision of the record as read; zero if it has not been stored yet.
	Revision uint64 `json:"-"`
}

// ContextStore stores conversations with their recordings, so that they outlive the
// process and can be continued by another. A write is durable when its method returns.
// Safe for concurrent use.
type ContextStore interface {
	RecordingFinder
	// StoredContexts returns all conversations known to this process, in no particular
	// order.
	StoredContexts() []StoredContext
	// StoredContext returns the latest state of one conversation, whichever process
	// wrote it. It returns a KindNotFound fault if there is none.
	StoredContext(ctx context.Context, id string) (StoredContext, error)
	// StoreContext writes a conversation if its stored revision is unchanged, and
	// returns it with its new revision. It returns a KindBusy fault if another writer
	// changed it in the meantime, and KindNotFound if it was deleted.
	StoreContext(ctx context.Context, one StoredContext) (StoredContext, error)
	// ForgetContext deletes a conversation. Its recording is deleted later unless
	// something else needs it. Deleting a missing conversation is not an error.
	ForgetContext(ctx context.Context, id string) error
	// KeepAudio stores the recording of an owner's new conversation and returns its id.
	// The same content is stored once.
	KeepAudio(ctx context.Context, owner string, audio AudioSource) (id string, err error)
}
