package gama

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
)

// newContext as context_id requests a new conversation.
const newContext = "new"

// maxRecord is the maximum size of a conversation's record, which must fit in one
// message of the store.
const maxRecord = 512 << 10

// validID matches ids that are valid keys of the store.
var validID = regexp.MustCompile(`^ctx_[0-9a-f]{24}$`)

// record is the stored form of a conversation.
type record struct {
	Model string `json:"model"`
	// Owner is the id of the API key that created the conversation; empty if the server
	// requires no keys.
	Owner           string    `json:"owner,omitempty"`
	Created         time.Time `json:"created"`
	Used            time.Time `json:"used"`
	DurationSeconds float64   `json:"duration"`
	// Start and End are the part of the recording that the conversation is about.
	Start float64 `json:"start,omitempty"`
	End   float64 `json:"end,omitempty"`
	Turns []turn  `json:"turns"`
}

// conversation is a stored record with its state in memory: the encoded sound and the
// decoder's cache. The state can be dropped at any time and is recomputed.
type conversation struct {
	id string
	// busy is held while a question is being answered.
	busy sync.Mutex

	// The following fields are guarded by contexts.mu. State in memory is only modified
	// by the holder of busy.
	stored services.StoredContext
	record record
	sound  *encoded
	saved  *decoding.Snapshot
	// version is that of the model which sound and saved are from.
	version  string
	resident services.Resident
}

// size returns the size of the state in memory.
func (c *conversation) size() services.Bytes {
	size := c.saved.Size()
	if c.sound != nil {
		size += services.Bytes(4 * len(c.sound.rows))
	}
	return size
}

// contexts manages the conversations. Their text and recordings are in a store, so that
// they survive a restart and other processes that use the same store can continue them.
// Safe for concurrent use.
type contexts struct {
	service   *Service
	cfg       ContextsConfig
	residency services.Residency
	now       func() time.Time
	// store is nil if conversations are not supported by this process.
	store services.ContextStore

	mu sync.Mutex
	// all has the conversations known to this process by id.
	all map[string]*conversation
}

func newContexts(s *Service, residency services.Residency, store services.ContextStore) *contexts {
	return &contexts{service: s, cfg: s.cfg.Contexts, residency: residency, store: store, now: time.Now, all: make(map[string]*conversation)}
}

// usable refuses where there is no store.
func (c *contexts) usable() error {
	if c.store == nil {
		return services.Faultf(services.KindUnavailable, "this process does not store conversations")
	}
	return nil
}

// CreateContext implements services.Contexts.
func (s *Service) CreateContext(ctx context.Context, caller services.Caller, about services.NewContext) (services.ContextInfo, error) {
	if about.Model == "" {
		about.Model = s.cfg.DefaultModel
	}
	one, err := s.contexts.create(ctx, caller, about)
	if err != nil {
		return services.ContextInfo{}, err
	}
	return s.contexts.info(one), nil
}

// ListContexts implements services.Contexts. Unreadable records are skipped and left
// unchanged.
func (s *Service) ListContexts(_ context.Context, caller services.Caller) ([]services.ContextInfo, error) {
	c := s.contexts
	if err := c.usable(); err != nil {
		return nil, err
	}
	infos := []services.ContextInfo{}
	for _, stored := range c.store.StoredContexts() {
		one, err := c.known(stored)
		if err != nil || !c.lives(one) || !caller.Sees(c.recordOf(one).Owner) {
			continue
		}
		infos = append(infos, c.info(one))
	}
	slices.SortFunc(infos, func(a, b services.ContextInfo) int { return b.Used.Compare(a.Used) })
	return infos, nil
}

// Context implements services.Contexts.
func (s *Service) Context(ctx context.Context, caller services.Caller, id string) (services.ContextInfo, error) {
	one, err := s.contexts.find(ctx, caller, id)
	if err != nil {
		return services.ContextInfo{}, err
	}
	return s.contexts.info(one), nil
}

// DeleteContext implements services.Contexts. A question in progress is still answered.
func (s *Service) DeleteContext(ctx context.Context, caller services.Caller, id string) error {
	one, err := s.contexts.find(ctx, caller, id)
	if err != nil {
		return err
	}
	return s.contexts.remove(ctx, one.id)
}

func (c *contexts) info(one *conversation) services.ContextInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := one.record
	info := services.ContextInfo{
		ID: one.id, AudioID: one.stored.AudioID, Model: r.Model, Created: r.Created, Used: r.Used, Expires: one.stored.Expires,
		DurationSeconds: r.DurationSeconds, Turns: make([]services.Exchange, 0, len(r.Turns)), CachedBytes: one.size(),
	}
	for _, t := range r.Turns {
		info.Turns = append(info.Turns, t.Exchange)
	}
	if one.saved != nil {
		info.CachedTokens = one.saved.Len()
	}
	return info
}

// recordOf returns the latest known record; its turns must not be modified.
func (c *contexts) recordOf(one *conversation) record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return one.record
}

// lives reports whether a conversation has not expired.
func (c *contexts) lives(one *conversation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.now().After(one.stored.Expires)
}

// known returns the conversation of a stored record, and updates it if the record is
// newer than the known one.
func (c *contexts) known(stored services.StoredContext) (*conversation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[stored.ID]
	if one != nil && one.stored.Revision >= stored.Revision {
		return one, nil
	}
	var r record
	if err := json.Unmarshal(stored.Record, &r); err != nil {
		return nil, services.Internal(err, "the record of conversation %s cannot be read", stored.ID)
	}
	if one == nil {
		one = &conversation{id: stored.ID}
		c.all[stored.ID] = one
	}
	one.stored, one.record = stored, r
	return one, nil
}

// find returns a conversation that has not expired and is visible to the caller.
func (c *contexts) find(ctx context.Context, caller services.Caller, id string) (*conversation, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	missing := &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
		{Field: "context_id", Problem: fmt.Sprintf("%.64q does not exist; an unused conversation expires after %s", id,
			c.cfg.Expiry)},
	}}
	if !validID.MatchString(id) {
		return nil, missing
	}
	stored, err := c.store.StoredContext(ctx, id)
	if services.KindOf(err) == services.KindNotFound {
		c.lose(id)
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	one, err := c.known(stored)
	if err != nil {
		return nil, err
	}
	if !c.lives(one) || !caller.Sees(c.recordOf(one).Owner) {
		return nil, missing
	}
	return one, nil
}

// create stores the recording, then the record that refers to it.
func (c *contexts) create(ctx context.Context, caller services.Caller, about services.NewContext) (*conversation, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	files, f, err := c.service.shelf.Find(about.Model)
	if err != nil {
		return nil, err
	}
	sound, err := c.service.openAudio(about.Audio, f.Preprocessor.SamplingRate, about.Reading)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	if err := c.service.oneWindow(files, f.folder, sound); err != nil {
		return nil, err
	}
	if about.Strict { // not every format shows before its end that it is cut short
		for last := false; !last; {
			if _, last, err = sound.next(ctx, blockFrames); err != nil {
				return nil, fmt.Errorf("read audio: %w", err)
			}
		}
	}
	audioID, err := c.store.KeepAudio(ctx, caller.Key, about.Audio)
	if err != nil {
		return nil, err
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // documented never to fail
	now := c.now().UTC()
	stored := services.StoredContext{ID: "ctx_" + hex.EncodeToString(random[:]), AudioID: audioID, Owner: caller.Key, Created: now}
	one, err := c.write(ctx, stored, record{
		Model: about.Model, Owner: caller.Key, Created: now, Used: now,
		DurationSeconds: sound.reader.Format().Duration().Seconds(), Start: about.Start, End: about.End, Turns: []turn{},
	})
	if err != nil {
		return nil, err
	}
	c.purge(ctx)
	return one, nil
}

// write stores a record as the successor of stored, with the current time as its last
// use.
func (c *contexts) write(ctx context.Context, stored services.StoredContext, r record) (*conversation, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, services.Internal(err, "the record of conversation %s cannot be written", stored.ID)
	}
	stored.Record, stored.Expires = raw, r.Used.Add(c.cfg.Expiry)
	if stored, err = c.store.StoreContext(ctx, stored); err != nil {
		return nil, err
	}
	return c.known(stored)
}

// remove deletes a conversation.
func (c *contexts) remove(ctx context.Context, id string) error {
	err := c.store.ForgetContext(ctx, id)
	if err == nil {
		c.lose(id)
	}
	return err
}

// lose removes a conversation from this process.
func (c *contexts) lose(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.all[id]; one != nil {
		delete(c.all, id)
		c.drop(one)
	}
}

// drop removes a conversation's state from memory and returns what must be released.
// The caller holds mu.
func (c *contexts) drop(one *conversation) {
	one.saved.Release()
	one.sound, one.saved = nil, nil
	if one.resident != nil {
		one.resident.Release()
		one.resident = nil
	}
}

// forget drops the state of all conversations.
func (c *contexts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		c.drop(one)
	}
}

// purge deletes the least recently used conversations beyond MaxCount, and drops state
// of the least recently used ones beyond MaxMemory.
func (c *contexts) purge(ctx context.Context) {
	stored := c.store.StoredContexts()
	slices.SortFunc(stored, func(a, b services.StoredContext) int { return b.Expires.Compare(a.Expires) })
	for _, one := range stored[min(len(stored), c.cfg.MaxCount):] {
		if err := c.remove(ctx, one.ID); err != nil {
			break // it is retried with the next conversation
		}
	}
	there := make(map[string]bool, len(stored))
	for _, one := range stored {
		there[one.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*conversation, 0, len(c.all))
	for _, one := range c.all {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *conversation) int { return b.record.Used.Compare(a.record.Used) })
	sum := services.Bytes(0)
	for _, one := range list {
		sum += one.size()
		over := sum > c.cfg.MaxMemory && one.size() > 0
		// A conversation in use keeps its state until it is done.
		if (!over && there[one.id]) || !one.busy.TryLock() {
			continue
		}
		sum -= one.size()
		c.drop(one)
		if !there[one.id] {
			delete(c.all, one.id) // it has expired or was deleted by another process
		}
		one.busy.Unlock()
	}
}
