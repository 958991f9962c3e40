package gama

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// newContext as context_id asks for a conversation to be made.
const newContext = "new"

// validID keeps an id from leaving the folder.
var validID = regexp.MustCompile(`^ctx_[0-9a-f]{24}$`)

// record is what a file keeps of a conversation.
type record struct {
	ID    string `json:"id"`
	Model string `json:"model"`
	// Owner is the id of the API key that began it, empty where none was asked for.
	Owner           string    `json:"owner,omitempty"`
	Created         time.Time `json:"created"`
	Used            time.Time `json:"used"`
	DurationSeconds float64   `json:"duration"`
	Turns           []turn    `json:"turns"`
}

// conversation is a record with what is kept in memory beside it: the encoded sound
// and the decoder's cache. Those can go at any time, and are computed again.
type conversation struct {
	record
	dir string
	// busy is held by the one question that is being answered.
	busy sync.Mutex

	// Guarded by contexts.mu, and changed only by who holds busy.
	sound    *heard
	kept     *snapshot
	resident services.Resident
}

// audio is the recording's file.
func (c *conversation) audio() services.AudioSource {
	return audioFile(filepath.Join(c.dir, c.ID+".audio"))
}

func (c *conversation) recordFile() string { return filepath.Join(c.dir, c.ID+".json") }

// size of what is in memory.
func (c *conversation) size() services.Bytes {
	size := c.kept.size()
	if c.sound != nil {
		size += services.Bytes(4 * len(c.sound.rows))
	}
	return size
}

// audioFile is a recording on disk.
type audioFile string

// Open implements services.AudioSource.
func (f audioFile) Open() (io.ReadSeekCloser, error) { return os.Open(string(f)) }

// Size implements services.AudioSource.
func (f audioFile) Size() int64 {
	info, err := os.Stat(string(f))
	if err != nil {
		return 0
	}
	return info.Size()
}

// contexts keeps the conversations. Their text and recordings are files, so that a
// restart loses none. Safe for concurrent use.
type contexts struct {
	service   *Service
	cfg       ContextsConfig
	dir       string
	residency services.Residency
	now       func() time.Time

	mu  sync.Mutex
	all map[string]*conversation
}

// openContexts reads the conversations of a folder, which it makes where needed. A
// file that cannot be read is passed over and left as it is.
func openContexts(s *Service, dir string, residency services.Residency) (*contexts, error) {
	c := &contexts{service: s, cfg: s.cfg.Contexts, dir: dir, residency: residency, now: time.Now, all: make(map[string]*conversation)}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	// What a crash left half written.
	halves, _ := filepath.Glob(filepath.Join(dir, "tmp-*"))
	for _, name := range halves {
		_ = os.Remove(name)
	}
	names, err := filepath.Glob(filepath.Join(dir, "ctx_*.json"))
	if err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		one := &conversation{dir: dir}
		if err := json.Unmarshal(data, &one.record); err != nil || !validID.MatchString(one.ID) || one.recordFile() != name {
			continue
		}
		c.all[one.ID] = one
	}
	return c, nil
}

// CreateContext implements services.Contexts.
func (s *Service) CreateContext(_ context.Context, caller services.Caller, name string, audio services.AudioSource) (services.ContextInfo, error) {
	if name == "" {
		name = s.cfg.DefaultModel
	}
	one, err := s.contexts.create(caller, name, audio)
	if err != nil {
		return services.ContextInfo{}, err
	}
	return s.contexts.info(one), nil
}

// ListContexts implements services.Contexts.
func (s *Service) ListContexts(caller services.Caller) []services.ContextInfo {
	c := s.contexts
	c.purge()
	c.mu.Lock()
	list := make([]*conversation, 0, len(c.all))
	for _, one := range c.all {
		if caller.Sees(one.Owner) {
			list = append(list, one)
		}
	}
	c.mu.Unlock()
	infos := make([]services.ContextInfo, 0, len(list))
	for _, one := range list {
		infos = append(infos, c.info(one))
	}
	slices.SortFunc(infos, func(a, b services.ContextInfo) int { return b.Used.Compare(a.Used) })
	return infos
}

// Context implements services.Contexts.
func (s *Service) Context(caller services.Caller, id string) (services.ContextInfo, error) {
	one, err := s.contexts.find(caller, id)
	if err != nil {
		return services.ContextInfo{}, err
	}
	return s.contexts.info(one), nil
}

// DeleteContext implements services.Contexts. A question that is being answered
// gets its answer.
func (s *Service) DeleteContext(caller services.Caller, id string) error {
	one, err := s.contexts.find(caller, id)
	if err != nil {
		return err
	}
	return s.contexts.remove(one)
}

func (c *contexts) info(one *conversation) services.ContextInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := services.ContextInfo{
		ID: one.ID, Model: one.Model, Created: one.Created, Used: one.Used, Expires: one.Used.Add(c.cfg.Expiry),
		DurationSeconds: one.DurationSeconds, Turns: make([]services.Exchange, 0, len(one.Turns)), CachedBytes: one.size(),
	}
	for _, t := range one.Turns {
		info.Turns = append(info.Turns, t.Exchange)
	}
	if one.kept != nil {
		info.CachedTokens = len(one.kept.keys)
	}
	return info
}

// find gives a conversation that has not expired and that the caller may know of.
func (c *contexts) find(caller services.Caller, id string) (*conversation, error) {
	c.purge()
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.all[id]
	if !ok || !caller.Sees(one.Owner) {
		return nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
			{Field: "context_id", Problem: fmt.Sprintf("%.64q does not exist; a conversation that is not used expires after %s", id, c.cfg.Expiry)},
		}}
	}
	return one, nil
}

// textBytes sums the texts of the turns, and counts these.
func (c *contexts) textBytes(one *conversation) (sum, turns int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range one.Turns {
		sum += len(t.Question) + max(len(t.Answer), len(t.Tokens))
	}
	return sum, len(one.Turns)
}

// create copies the recording and writes the record.
func (c *contexts) create(caller services.Caller, name string, audio services.AudioSource) (*conversation, error) {
	files, err := c.service.find(name)
	if err != nil {
		return nil, err
	}
	f, err := readConfigs(files)
	if err != nil {
		return nil, services.Internal(err, "model %s cannot be loaded", name)
	}
	sound, err := c.service.openAudio(audio, f.Preprocessor.SamplingRate)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	if err := c.service.oneWindow(f, sound); err != nil {
		return nil, err
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	now := c.now().UTC()
	one := &conversation{dir: c.dir, record: record{
		ID: "ctx_" + hex.EncodeToString(random[:]), Model: name, Owner: caller.Key, Created: now, Used: now,
		DurationSeconds: sound.reader.Format().Duration().Seconds(), Turns: []turn{},
	}}
	if err := copyAudio(one.audio().(audioFile), audio); err != nil { //nolint:forcetypeassert // made by audio
		return nil, storeFault(err)
	}
	if err := one.save(); err != nil {
		return nil, errors.Join(storeFault(err), os.Remove(string(one.audio().(audioFile)))) //nolint:forcetypeassert // made by audio
	}
	c.mu.Lock()
	c.all[one.ID] = one
	c.mu.Unlock()
	c.purge()
	return one, nil
}

func copyAudio(to audioFile, source services.AudioSource) (err error) {
	in, err := source.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(string(to), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		err = errors.Join(err, os.Remove(string(to)))
	}
	return err
}

func storeFault(err error) error {
	return &services.Fault{Kind: services.KindUnavailable, Message: "the conversation could not be stored", RetryAfter: 10 * time.Second, Err: err}
}

// save writes the record so that a crash leaves the old one or the new one.
func (c *conversation) save() error {
	data, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(c.dir, "tmp-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), c.recordFile())
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// remove forgets a conversation.
func (c *contexts) remove(one *conversation) error {
	c.mu.Lock()
	delete(c.all, one.ID)
	c.drop(one)
	c.mu.Unlock()
	err := errors.Join(os.Remove(one.recordFile()), os.Remove(string(one.audio().(audioFile)))) //nolint:forcetypeassert // made by audio
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return storeFault(err)
	}
	return nil
}

// drop takes what a conversation has in memory. The caller holds mu.
func (c *contexts) drop(one *conversation) {
	one.kept.release()
	one.sound, one.kept = nil, nil
	if one.resident != nil {
		one.resident.Release()
		one.resident = nil
	}
}

// forget drops what all have in memory.
func (c *contexts) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		c.drop(one)
	}
}

// purge removes what has expired, the longest unused beyond the number that is
// allowed, and what the longest unused have in memory beyond the bytes allowed.
func (c *contexts) purge() {
	now := c.now()
	c.mu.Lock()
	list := make([]*conversation, 0, len(c.all))
	for _, one := range c.all {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *conversation) int { return b.Used.Compare(a.Used) })
	var gone []*conversation
	sum := services.Bytes(0)
	for i, one := range list {
		if i >= c.cfg.MaxCount || now.Sub(one.Used) > c.cfg.Expiry {
			gone = append(gone, one)
			continue
		}
		// The one in use holds what it needs until it is done.
		if sum += one.size(); sum > c.cfg.MaxMemory && one.size() > 0 && one.busy.TryLock() {
			sum -= one.size()
			c.drop(one)
			one.busy.Unlock()
		}
	}
	c.mu.Unlock()
	for _, one := range gone {
		_ = c.remove(one) // a file that stays is read again at the next start
	}
}
