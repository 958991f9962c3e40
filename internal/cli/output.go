package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// extensions are the file extensions of the formats.
var extensions = map[string]string{
	tasks.FormatText: ".txt", tasks.FormatJSON: ".json", tasks.FormatVerbose: ".json",
	tasks.FormatSRT: ".srt", tasks.FormatVTT: ".vtt",
}

// maxListed limits the files that an error lists.
const maxListed = 3

// outputs is where results are written.
type outputs struct {
	// folder is the output folder; "" for the standard output.
	folder string
	force  bool
}

// aim sets the output file of each recording, and returns an error if one could not be
// written, before any work is done.
func (o *outputs) aim(recordings []*recording, extension string) error {
	if o.folder == "" {
		return nil
	}
	if info, err := os.Stat(o.folder); err == nil && !info.IsDir() {
		return misusef("--output %s is a file; it must be a folder", o.folder)
	}
	from := make(map[string]string)
	for _, r := range recordings {
		r.target = filepath.Join(o.folder, strings.TrimSuffix(r.within, filepath.Ext(r.within))+extension)
		if other, ok := from[r.target]; ok {
			return misusef("%s and %s would both be written to %s", other, r.path, r.target)
		}
		from[r.target] = r.path
	}
	return o.refuseOverwriting(recordings)
}

func (o *outputs) refuseOverwriting(recordings []*recording) error {
	var existing []string
	for _, r := range recordings {
		info, err := os.Stat(r.target)
		if errors.Is(err, fs.ErrNotExist) || r.err != nil {
			continue
		}
		if err != nil {
			return err
		}
		for _, input := range recordings {
			if of, err := os.Stat(input.path); input.stdin == nil && err == nil && os.SameFile(info, of) {
				return misusef("the output of %s would overwrite the recording %s", r.path, input.path)
			}
		}
		existing = append(existing, r.target)
	}
	if len(existing) == 0 || o.force {
		return nil
	}
	names := strings.Join(existing[:min(len(existing), maxListed)], ", ")
	if more := len(existing) - maxListed; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("would overwrite %s; use --force to overwrite", names)
}

// writeFile writes a file atomically, with the permissions of the user's umask. It
// overwrites an existing file only if force is set.
func writeFile(path string, data []byte, force bool) error {
	return writeFrom(path, bytes.NewReader(data), force)
}

// writeFrom is writeFile for the data of a reader.
func writeFrom(path string, from io.Reader, force bool) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	aside := filepath.Join(folder, ".grym-synth-"+rand.Text()+".part")
	file, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(aside) }() // already gone if it was renamed
	_, err = io.Copy(file, from)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if force {
		return os.Rename(aside, path)
	}
	return place(aside, path)
}

// place renames a file unless the name is taken.
func place(from, to string) error {
	err := os.Link(from, to) // unlike a rename it fails if the name is taken
	if err == nil {
		return nil
	}
	if _, taken := os.Lstat(to); !errors.Is(err, fs.ErrExist) && errors.Is(taken, fs.ErrNotExist) {
		return os.Rename(from, to) // the file system does not support hard links
	}
	return fmt.Errorf("%s exists; use --force to overwrite it", to)
}
