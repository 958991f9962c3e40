package datadir

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// manifestName is the last entry of a backup, with the checksums of the others.
	manifestName = "manifest.json"
	// backupVersion is the version of the format of backups.
	backupVersion = 1
	// maxManifest bounds the manifest that is read.
	maxManifest = 256 << 20
)

// manifest lists the files of a backup.
type manifest struct {
	Backup int `json:"backup"`
	// Format of the data folder.
	Format  int         `json:"format"`
	Created time.Time   `json:"created"`
	Files   []savedFile `json:"files"`
}

type savedFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Summary describes a backup.
type Summary struct {
	Files int
	Bytes int64
	// Created is when the backup was made.
	Created time.Time
}

func (m manifest) summary() Summary {
	s := Summary{Files: len(m.Files), Created: m.Created}
	for _, f := range m.Files {
		s.Bytes += f.Bytes
	}
	return s
}

// skipped are the entries of a data folder that are not part of a backup: what belongs to
// a process, models, which can be installed again, and pictures, which can be drawn again.
func skipped(name string) bool {
	first, _, _ := strings.Cut(name, string(filepath.Separator))
	return first == "lock" || first == "spool" || first == "models" || first == "pictures" || strings.HasSuffix(name, ".new")
}

// OpenExisting is Open for a folder that must exist.
func OpenExisting(path string) (*Dir, error) {
	if _, err := os.Stat(filepath.Join(path, "lock")); err != nil {
		return nil, fmt.Errorf("dataDir: %s is no data folder: %w", path, err)
	}
	return Open(path)
}

// BackUp writes the folder to a tar file, which must not exist, and reads it again to
// compare the checksums. The file has its name only when it is complete and on the disk.
func (d *Dir) BackUp(ctx context.Context, file string) (s Summary, err error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("backup: %s exists", file)
	}
	aside := file + ".part"
	out, err := os.OpenFile(aside, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return s, fmt.Errorf("backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside))
		}
	}()
	written, err := d.archive(ctx, out)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return s, fmt.Errorf("backup: %w", err)
	}
	if err := compare(ctx, aside, written); err != nil {
		return s, err
	}
	if err := os.Link(aside, file); err != nil {
		return s, fmt.Errorf("backup: %w", err)
	}
	if err := errors.Join(os.Remove(aside), syncDir(filepath.Dir(file))); err != nil {
		return s, fmt.Errorf("backup: %w", err)
	}
	return written.summary(), nil
}

// compare reads a backup and compares it with the manifest that was written.
func compare(ctx context.Context, file string, written manifest) error {
	read, err := readBackup(ctx, file, func(*tar.Header, io.Reader) error { return nil })
	if err == nil && len(read.Files) != len(written.Files) {
		err = fmt.Errorf("%s has %d files instead of %d", file, len(read.Files), len(written.Files))
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// archive writes every file and then the manifest.
func (d *Dir) archive(ctx context.Context, out io.Writer) (m manifest, err error) {
	m = manifest{Backup: backupVersion, Format: d.format, Created: time.Now().UTC(), Files: []savedFile{}}
	archive := tar.NewWriter(out)
	err = filepath.WalkDir(d.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name, err := filepath.Rel(d.path, path)
		switch {
		case err != nil:
			return err
		case skipped(name) && entry.IsDir():
			return fs.SkipDir
		case skipped(name), name == ".":
			return nil
		case entry.IsDir():
			return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: filepath.ToSlash(name) + "/", Mode: 0o750})
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
		saved, err := addFile(archive, path, filepath.ToSlash(name))
		m.Files = append(m.Files, saved)
		return err
	})
	if err != nil {
		return m, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	err = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o600, Size: int64(len(raw))})
	if err == nil {
		_, err = archive.Write(raw)
	}
	return m, errors.Join(err, archive.Close())
}

// addFile adds a file to an archive.
func addFile(archive *tar.Writer, path, name string) (saved savedFile, err error) {
	file, err := os.Open(path)
	if err != nil {
		return saved, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return saved, err
	}
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(head); err != nil {
		return saved, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(archive, sum), file)
	return savedFile{Name: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// readBackup reads a backup, calls take with every entry but the manifest, and compares
// the checksums. take need not read the content.
func readBackup(ctx context.Context, name string, take func(*tar.Header, io.Reader) error) (m manifest, err error) {
	file, err := os.Open(name)
	if err != nil {
		return m, err
	}
	defer file.Close()
	sums := make(map[string]string)
	for archive := tar.NewReader(file); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return m, m.check(name, sums)
		}
		if err != nil {
			return m, fmt.Errorf("%s is damaged: %w", name, err)
		}
		if ctx.Err() != nil {
			return m, context.Cause(ctx)
		}
		if head.Name == manifestName {
			if err := json.NewDecoder(io.LimitReader(archive, maxManifest)).Decode(&m); err != nil {
				return m, fmt.Errorf("%s is damaged: %w", name, err)
			}
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(head.Name)) {
			return m, fmt.Errorf("%s is no backup: it has the entry %q", name, head.Name)
		}
		sum := sha256.New()
		content := io.TeeReader(archive, sum)
		if err := take(head, content); err != nil {
			return m, err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return m, fmt.Errorf("%s is damaged: %w", name, err)
		}
		if head.Typeflag == tar.TypeReg {
			sums[head.Name] = hex.EncodeToString(sum.Sum(nil))
		}
	}
}

// check compares the manifest with the checksums of what was read.
func (m manifest) check(name string, sums map[string]string) error {
	switch {
	case m.Backup == 0:
		return fmt.Errorf("%s is no complete backup: it has no %s", name, manifestName)
	case m.Backup > backupVersion:
		return fmt.Errorf("%s is a backup of version %d, and this program reads up to version %d", name, m.Backup, backupVersion)
	case m.Format > Format:
		return fmt.Errorf("%s has a data folder of version %d, and this program reads up to version %d", name, m.Format, Format)
	case len(sums) != len(m.Files):
		return fmt.Errorf("%s is damaged: it has %d files instead of %d", name, len(sums), len(m.Files))
	}
	for _, f := range m.Files {
		if sums[f.Name] != f.SHA256 {
			return fmt.Errorf("%s is damaged: the checksum of %s does not match", name, f.Name)
		}
	}
	return nil
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
