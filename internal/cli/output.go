package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// extensions of the files that the formats are written to.
var extensions = map[string]string{
	tasks.FormatText: ".txt", tasks.FormatJSON: ".json", tasks.FormatVerbose: ".json",
	tasks.FormatSRT: ".srt", tasks.FormatVTT: ".vtt",
}

// maxListed are the files that an error lists.
const maxListed = 3

// aim decides which file the words of each recording go to, and refuses what could
// not be written, before anything is done.
func (t *transcription) aim(recordings []*recording) error {
	if t.folder == "" {
		return nil
	}
	if info, err := os.Stat(t.folder); err == nil && !info.IsDir() {
		return misusef("--output %s is a file; it must be a folder", t.folder)
	}
	from := make(map[string]string)
	for _, r := range recordings {
		r.target = filepath.Join(t.folder, strings.TrimSuffix(r.within, filepath.Ext(r.within))+extensions[t.format])
		if other, ok := from[r.target]; ok {
			return misusef("%s and %s would both be written to %s", other, r.path, r.target)
		}
		from[r.target] = r.path
	}
	return t.refuseOverwriting(recordings)
}

func (t *transcription) refuseOverwriting(recordings []*recording) error {
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
				return misusef("the words of %s would overwrite the recording %s", r.path, input.path)
			}
		}
		existing = append(existing, r.target)
	}
	if len(existing) == 0 || t.force {
		return nil
	}
	names := strings.Join(existing[:min(len(existing), maxListed)], ", ")
	if more := len(existing) - maxListed; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("would overwrite %s; --force does", names)
}

// writeFile writes a file whole or not at all, with the mode that the user's umask
// leaves. It overwrites only by force.
func writeFile(path string, data []byte, force bool) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	aside := filepath.Join(folder, ".grym-synth-"+rand.Text()+".part")
	file, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(aside) }() // gone already where it was renamed
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if force {
		return os.Rename(aside, path)
	}
	return place(aside, path)
}

// place gives a file another name unless that is taken.
func place(from, to string) error {
	err := os.Link(from, to) // unlike a rename it fails where the name is taken
	if err == nil {
		return nil
	}
	if _, taken := os.Lstat(to); !errors.Is(err, fs.ErrExist) && errors.Is(taken, fs.ErrNotExist) {
		return os.Rename(from, to) // the file system has no hard links
	}
	return fmt.Errorf("%s exists; --force overwrites it", to)
}
