package services

import (
	"io"
	"os"
)

// Artifact is sound that a task made, in a file of its own. Who gets the
// TaskResult owns the file and removes it.
type Artifact struct {
	// Path of the file, in the folder that the service was given for such.
	Path string
	// ContentType as in HTTP: "audio/wav".
	ContentType string
	// Bytes in the file.
	Bytes int64
}

// Open implements AudioSource.
func (a *Artifact) Open() (io.ReadSeekCloser, error) { return os.Open(a.Path) }

// Size implements AudioSource.
func (a *Artifact) Size() int64 { return a.Bytes }

// Remove deletes the file. It does nothing on nil, so that it can be deferred
// for any result.
func (a *Artifact) Remove() error {
	if a == nil {
		return nil
	}
	return os.Remove(a.Path)
}

var _ AudioSource = (*Artifact)(nil)
