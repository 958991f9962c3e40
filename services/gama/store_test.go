package gama

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"sync"

	"github.com/grym-synth/grym-synth/services"
)

// shelf is a services.ContextStore in memory that outlives the services of a test.
type shelf struct {
	mu       sync.Mutex
	revision uint64
	talks    map[string]services.StoredContext
	audio    map[string][]byte
	// broken fails every write.
	broken error
	// opened counts the recordings that were read.
	opened int
}

func newShelf() *shelf {
	return &shelf{talks: make(map[string]services.StoredContext), audio: make(map[string][]byte)}
}

func (s *shelf) StoredContexts() (list []services.StoredContext) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.talks {
		list = append(list, one)
	}
	return list
}

func (s *shelf) StoredContext(_ context.Context, id string) (services.StoredContext, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, ok := s.talks[id]; ok {
		return one, nil
	}
	return services.StoredContext{}, services.Faultf(services.KindNotFound, "no %s", id)
}

func (s *shelf) StoreContext(_ context.Context, one services.StoredContext) (services.StoredContext, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	there, known := s.talks[one.ID]
	switch {
	case s.broken != nil:
		return one, s.broken
	case !known && one.Revision > 0:
		return one, services.Faultf(services.KindNotFound, "no %s", one.ID)
	case there.Revision != one.Revision:
		return one, services.Faultf(services.KindBusy, "%s was changed", one.ID)
	}
	s.revision++
	one.Revision = s.revision
	s.talks[one.ID] = one
	return one, nil
}

func (s *shelf) ForgetContext(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.talks, id)
	return nil
}

func (s *shelf) KeepAudio(_ context.Context, _ string, audio services.AudioSource) (string, error) {
	file, err := audio.Open()
	if err != nil {
		return "", err
	}
	defer file.Close()
	raw, err := io.ReadAll(file)
	sum := sha256.Sum256(raw)
	id := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audio[id] = raw
	return id, err
}

func (s *shelf) StoredAudio(_ context.Context, _ services.Caller, id string) (services.AudioSource, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.audio[id]
	if !ok {
		return nil, nil, services.Faultf(services.KindNotFound, "no %s", id)
	}
	s.opened++
	return heldAudio(raw), func() {}, nil
}

// heldAudio is a recording in memory.
type heldAudio []byte

func (h heldAudio) Open() (io.ReadSeekCloser, error) { return nopCloser{bytes.NewReader(h)}, nil }
func (h heldAudio) Size() int64                      { return int64(len(h)) }

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// diskAudio is a recording on disk.
type diskAudio string

func (d diskAudio) Open() (io.ReadSeekCloser, error) { return os.Open(string(d)) }

func (d diskAudio) Size() int64 {
	info, err := os.Stat(string(d))
	if err != nil {
		return 0
	}
	return info.Size()
}
