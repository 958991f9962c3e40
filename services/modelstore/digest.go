package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Digest returns the SHA-256 of the names and contents of the folder's regular files, in
// hex. Hidden files and texts for people, whose names end in .md, are ignored. It reads every file; cache it with Facts.
func (f Folder) Digest() (string, error) {
	sum, names := sha256.New(), f.files
	if f.dir != "" {
		names = os.DirFS(f.dir + "/.") // for the names only; the files are opened in the folder
	}
	err := fs.WalkDir(names, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return f.refused(path, err)
		case path != "." && entry.Name()[0] == '.':
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir(), strings.HasSuffix(entry.Name(), ".md"):
			return nil
		}
		file, info, err := f.open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		fmt.Fprintf(sum, "%s\x00%d\x00", path, info.Size())
		if _, err := io.Copy(sum, file); err != nil {
			return f.refused(path, err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
