// Package renditions stores what was computed from stored recordings, such as pictures, in
// files of a folder: for each owner, up to a total size, and until the recording or the
// owner's reference to it is deleted. The folder can be deleted at any time.
package renditions

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Cache stores renditions. Safe for concurrent use. All methods of a nil Cache do nothing.
type Cache struct {
	dir  string
	most int64
	log  *slog.Logger

	mu sync.Mutex
	// files by audio and name.
	files map[string]map[string]*file
	bytes int64
	clock int64
}

// file is one rendition.
type file struct {
	bytes int64
	// used orders the files by their last use.
	used int64
}

// largestShare is the share of the limit that one rendition may have.
const largestShare = 4

// plain matches the names of folders and files.
var plain = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Open returns the cache in a folder, which is created, with at most the given number of
// bytes. It removes what does not belong there. If most is 0 it removes the folder and
// returns nil.
func Open(dir string, most services.Bytes, log *slog.Logger) (*Cache, error) {
	if most == 0 {
		return nil, os.RemoveAll(dir)
	}
	c := &Cache{dir: dir, most: int64(most), log: log, files: make(map[string]map[string]*file)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("renditions: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("renditions: %w", err)
	}
	type found struct {
		audio, name string
		bytes       int64
		at          time.Time
	}
	var all []found
	for _, entry := range entries {
		inner, err := os.ReadDir(filepath.Join(dir, entry.Name()))
		if !plain.MatchString(entry.Name()) || err != nil {
			c.remove(entry.Name())
			continue
		}
		for _, one := range inner {
			info, err := one.Info()
			if err != nil || !isName(one.Name()) || !info.Mode().IsRegular() {
				c.remove(entry.Name(), one.Name())
				continue
			}
			all = append(all, found{entry.Name(), one.Name(), info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.at.Compare(b.at) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range all {
		c.add(one.audio, one.name, one.bytes)
	}
	c.shrink(0)
	return c, nil
}

// remove removes a file or a folder, and logs errors.
func (c *Cache) remove(path ...string) {
	if err := os.RemoveAll(filepath.Join(append([]string{c.dir}, path...)...)); err != nil {
		c.log.Warn("a rendition could not be removed", "error", err)
	}
}

// ownerLength is the number of characters of a name that identify the owner.
const ownerLength = 32

func isName(name string) bool {
	owner, key, found := strings.Cut(name, "-")
	return found && len(owner) == ownerLength && plain.MatchString(owner+owner) && plain.MatchString(key)
}

// prefix returns the beginning of the names of an owner's files.
func prefix(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:])[:ownerLength] + "-"
}

// add adds a file to the index. The caller holds mu.
func (c *Cache) add(audio, name string, bytes int64) {
	if c.files[audio] == nil {
		c.files[audio] = make(map[string]*file)
	}
	if known := c.files[audio][name]; known != nil {
		c.bytes -= known.bytes
	}
	c.clock++
	c.files[audio][name] = &file{bytes: bytes, used: c.clock}
	c.bytes += bytes
}

// drop removes a file. The caller holds mu.
func (c *Cache) drop(audio, name string) {
	c.bytes -= c.files[audio][name].bytes
	delete(c.files[audio], name)
	c.remove(audio, name)
	if len(c.files[audio]) == 0 {
		delete(c.files, audio)
		c.remove(audio)
	}
}

// shrink drops the files that have not been used for longest, until there is room for more
// bytes. The caller holds mu.
func (c *Cache) shrink(more int64) {
	if c.bytes+more <= c.most {
		return
	}
	type entry struct {
		audio, name string
		used        int64
	}
	var all []entry
	for audio, files := range c.files {
		for name, one := range files {
			all = append(all, entry{audio, name, one.used})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.used, b.used) })
	for _, one := range all {
		if c.bytes+more <= c.most {
			return
		}
		c.drop(one.audio, one.name)
	}
}

// Get returns what was put for a recording of an owner under a key, a SHA-256 in hex.
func (c *Cache) Get(owner, audio, key string) (content []byte, found bool) {
	if c == nil {
		return nil, false
	}
	name := prefix(owner) + key
	c.mu.Lock()
	one := c.files[audio][name]
	if one != nil {
		c.clock++
		one.used = c.clock
	}
	c.mu.Unlock()
	if one == nil {
		return nil, false
	}
	content, err := os.ReadFile(filepath.Join(c.dir, audio, name))
	if err == nil && int64(len(content)) == one.bytes {
		return content, true
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("a rendition could not be read", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[audio][name] == one { // it is damaged, or was removed from outside
		c.drop(audio, name)
	}
	return nil, false
}

// Put stores content for a recording of an owner under a key, a SHA-256 in hex. Content of
// more than a quarter of the limit is not stored.
func (c *Cache) Put(owner, audio, key string, content []byte) {
	if c == nil || int64(len(content)) > c.most/largestShare || !plain.MatchString(audio) || !plain.MatchString(key) {
		return
	}
	if err := c.put(audio, prefix(owner)+key, content); err != nil {
		c.log.Warn("a rendition could not be stored", "audio", audio, "error", err)
	}
}

func (c *Cache) put(audio, name string, content []byte) error {
	aside, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = aside.Write(content)
	err = errors.Join(err, aside.Close())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.shrink(int64(len(content)))
		err = os.MkdirAll(filepath.Join(c.dir, audio), 0o700)
	}
	if err == nil {
		err = os.Rename(aside.Name(), filepath.Join(c.dir, audio, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(aside.Name()))
	}
	c.add(audio, name, int64(len(content)))
	return nil
}

// Drop removes the renditions of an owner's recording.
func (c *Cache) Drop(owner, audio string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.files[audio] {
		if strings.HasPrefix(name, prefix(owner)) {
			c.drop(audio, name)
		}
	}
}

// DropAll removes the renditions of a recording.
func (c *Cache) DropAll(audio string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.files[audio] {
		c.drop(audio, name)
	}
}

// Retain removes the renditions of recordings that do not exist.
func (c *Cache) Retain(exists func(audio string) bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	known := slices.Collect(maps.Keys(c.files))
	c.mu.Unlock()
	for _, audio := range known { // without the lock, which a deletion takes below others
		if !exists(audio) {
			c.DropAll(audio)
		}
	}
}

// Bytes returns the size of all renditions.
func (c *Cache) Bytes() services.Bytes {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return services.Bytes(c.bytes)
}
