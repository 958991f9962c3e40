package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// maxKeysBytes limits the file of keys; a key takes about 200 bytes.
const maxKeysBytes = 64 << 20

// Scope is a permission of a key.
type Scope string

// The scopes; admin includes the others.
const (
	ScopeUse   Scope = "use"   // run tasks
	ScopeRead  Scope = "read"  // look at health, metrics and models
	ScopeAdmin Scope = "admin" // manage the server
)

// Key is the stored part of a key: everything but its secret.
type Key struct {
	ID string `json:"id"`
	// Name is whose key it is, or "".
	Name   string  `json:"name,omitempty"`
	Scopes []Scope `json:"scopes"`
	// Hash is the SHA-256 of the whole key in hexadecimal. The secret has 256 random bits,
	// so a slow hash would add no protection.
	Hash    string    `json:"hash"`
	Created time.Time `json:"created"`
	// Expires is the zero time for a key that does not expire.
	Expires time.Time `json:"expires,omitzero"`
}

// May reports whether the key has one of the scopes.
func (k Key) May(scopes ...Scope) bool {
	return slices.Contains(k.Scopes, ScopeAdmin) || slices.ContainsFunc(scopes, func(s Scope) bool { return slices.Contains(k.Scopes, s) })
}

// Expired reports whether the key has expired at a time.
func (k Key) Expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// prefix marks a text as a key of this server.
const prefix = "grym_"

// The reasons for which a key is refused.
var (
	ErrUnknownKey = errors.New("the API key is not valid")
	ErrExpiredKey = errors.New("the API key has expired")
	ErrNoSuchKey  = errors.New("no key has this id")
)

// Store is the file of keys. It is safe for concurrent use, also by several processes.
type Store struct {
	path string

	mu     sync.Mutex
	loaded fs.FileInfo
	keys   []Key
}

// Open returns the store in a data folder; the file need not exist yet.
func Open(dataDir string) *Store { return &Store{path: filepath.Join(dataDir, "keys.json")} }

// ParseScopes parses a list such as "use,read".
func ParseScopes(list string) ([]Scope, error) {
	var scopes []Scope
	for _, name := range strings.Split(list, ",") {
		scope := Scope(strings.TrimSpace(name))
		if scope != ScopeUse && scope != ScopeRead && scope != ScopeAdmin {
			return nil, fmt.Errorf("scopes: %q is not one of use, read, admin", scope)
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, nil
}

// maxName limits the length of the name of a key, in characters.
const maxName = 128

// CheckName returns an error for a name that is empty, too long, or not printed as it is.
func CheckName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("must not be empty; leave it out for a key without a name")
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("must not begin or end with white space, got %.80q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("must not have control characters, got %.80q", name)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("must have at most %d characters, got %d", maxName, utf8.RuneCountInString(name))
	}
	return nil
}

// Create is CreateNamed without a name.
func (s *Store) Create(scopes []Scope, life time.Duration) (Key, string, error) {
	return s.CreateNamed("", scopes, life)
}

// CreateNamed creates a key that is valid for life, or for ever if life is 0. The returned
// text is the key itself, which is not stored. The name is for people.
func (s *Store) CreateNamed(name string, scopes []Scope, life time.Duration) (Key, string, error) {
	var random [38]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	id := hex.EncodeToString(random[:6])
	text := prefix + id + "_" + hex.EncodeToString(random[6:])
	sum := sha256.Sum256([]byte(text))
	key := Key{ID: id, Name: name, Scopes: scopes, Hash: hex.EncodeToString(sum[:]), Created: time.Now().UTC().Truncate(time.Second)}
	if life > 0 {
		key.Expires = time.Now().Add(life).UTC()
	}
	err := s.change(func(keys []Key) ([]Key, error) { return append(keys, key), nil })
	return key, text, err
}

// Revoke deletes a key.
func (s *Store) Revoke(id string) error {
	return s.change(func(keys []Key) ([]Key, error) {
		rest := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.ID == id })
		if len(rest) == len(keys) {
			return nil, fmt.Errorf("%w: %q", ErrNoSuchKey, id)
		}
		return rest, nil
	})
}

// List returns every key.
func (s *Store) List() ([]Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read()
}

// maxKeyText limits the length of a key.
const maxKeyText = 256

// Check returns the key with the given text. If the file cannot be read, no key is valid.
// An invalid key costs one hash and one comparison, however many keys there are: its id,
// which is not secret, selects the hash to compare with, and the time does not depend on
// whether the id exists.
func (s *Store) Check(text string) (Key, error) {
	keys, err := s.List()
	if err != nil {
		return Key{}, err
	}
	if len(text) > maxKeyText {
		return Key{}, ErrUnknownKey
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(text, prefix), "_")
	sum := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(sum[:])
	found := Key{Hash: strings.Repeat("-", len(hash))} // equals no hash
	if i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id }); i >= 0 {
		found = keys[i]
	}
	if subtle.ConstantTimeCompare([]byte(found.Hash), []byte(hash)) != 1 {
		return Key{}, ErrUnknownKey
	}
	if found.Expired(time.Now()) {
		return Key{}, ErrExpiredKey
	}
	return found, nil
}

// read returns the keys, from the file if it has changed. The caller holds mu.
func (s *Store) read() ([]Key, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.loaded, s.keys = nil, nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	// Every change creates a new file, so that changes within the clock's resolution are
	// detected too.
	if s.loaded != nil && os.SameFile(info, s.loaded) && info.ModTime().Equal(s.loaded.ModTime()) && info.Size() == s.loaded.Size() {
		return s.keys, nil
	}
	data, err := regular.Read(s.path, maxKeysBytes)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var keys []Key
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("keys: %s: %w", s.path, err)
	}
	s.loaded, s.keys = info, keys
	return keys, nil
}

// change replaces the file with edited keys, one process at a time.
func (s *Store) change(edit func([]Key) ([]Key, error)) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	lock, err := os.OpenFile(s.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	keys, err := s.read()
	if err != nil {
		return err
	}
	if keys, err = edit(keys); err != nil {
		return err
	}
	data, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return replace(s.path, append(data, '\n'))
}

// replace replaces a file atomically.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}
