package services

import (
	"context"
	"time"
)

// ContextInfo describes a conversation about a recording.
type ContextInfo struct {
	ID, Model              string
	Created, Used, Expires time.Time
	// DurationSeconds of the recording.
	DurationSeconds float64
	Turns           []Exchange
	// CachedTokens and CachedBytes are kept in memory, so that the next question is
	// answered sooner; none after a restart or an eviction.
	CachedTokens int
	CachedBytes  Bytes
}

// Contexts keeps conversations, each for the key that began it. What another key
// began is not found. Safe for concurrent use.
type Contexts interface {
	// CreateContext begins a conversation about a recording, of which it makes a
	// copy. The model is the service's default where it is empty.
	CreateContext(ctx context.Context, caller Caller, model string, audio AudioSource) (ContextInfo, error)
	// ListContexts gives those of the caller, the latest used first.
	ListContexts(caller Caller) []ContextInfo
	// Context gives one; the fault is not found.
	Context(caller Caller, id string) (ContextInfo, error)
	// DeleteContext forgets one with its recording.
	DeleteContext(caller Caller, id string) error
}
