package jobs

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/grym-synth/grym-synth/services"
)

// stored is a stored recording as a task's input. It is copied out of the store
// when it is first opened.
type stored struct {
	manager *Manager
	ctx     context.Context // of the copy, which Open has no way to be given
	audio   Audio

	mu   sync.Mutex
	path string
}

// Open implements services.AudioSource.
func (s *stored) Open() (io.ReadSeekCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path != "" {
		return os.Open(s.path)
	}
	file, err := s.manager.spool(s.ctx, s.audio)
	if err != nil {
		return nil, err
	}
	s.path = file.Name()
	return file, nil
}

// fetch copies the recording out of the store, for Open to find.
func (s *stored) fetch() error {
	file, err := s.Open()
	if err != nil {
		return err
	}
	return file.Close()
}

// Size implements services.AudioSource.
func (s *stored) Size() int64 { return s.audio.Bytes }

// remove ends the copy.
func (s *stored) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return
	}
	if err := os.Remove(s.path); err != nil {
		s.manager.Log.Error("a spooled recording could not be removed", "error", err)
	}
	s.path = ""
}

var _ services.AudioSource = (*stored)(nil)
