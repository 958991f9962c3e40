package services

import (
	"errors"
	"io"
	"os"
)

// Artifact is sound that a task made, stored in a file of its own. The receiver of the
// TaskResult owns the file and removes it.
type Artifact struct {
	// Path of the file, in the service's folder for artifacts.
	Path string
	// ContentType as in HTTP: "audio/wav".
	ContentType string
	// Bytes in the file.
	Bytes int64
	// More are further sounds of the same task, in order.
	More []*Artifact
}

// All returns every sound of the task, this one first.
func (a *Artifact) All() []*Artifact { return append([]*Artifact{a}, a.More...) }

// Open implements AudioSource.
func (a *Artifact) Open() (io.ReadSeekCloser, error) { return os.Open(a.Path) }

// Size implements AudioSource.
func (a *Artifact) Size() int64 { return a.Bytes }

// Remove deletes the file and those of More. It does nothing on nil, so that it
// can be deferred for any result.
func (a *Artifact) Remove() error {
	if a == nil {
		return nil
	}
	err := os.Remove(a.Path)
	for _, more := range a.More {
		err = errors.Join(err, more.Remove())
	}
	return err
}

var _ AudioSource = (*Artifact)(nil)
