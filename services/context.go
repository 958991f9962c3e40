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

// Contexts keeps conversations. Safe for concurrent use.
type Contexts interface {
	// CreateContext begins a conversation about a recording, of which it makes a
	// copy. The model is the service's default where it is empty.
	CreateContext(ctx context.Context, model string, audio AudioSource) (ContextInfo, error)
	// ListContexts gives all, the latest used first.
	ListContexts() []ContextInfo
	// Context gives one; the fault is not found.
	Context(id string) (ContextInfo, error)
	// DeleteContext forgets one with its recording.
	DeleteContext(id string) error
}
