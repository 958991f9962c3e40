package hub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// partialDir is the folder of unfinished pulls, which is no model by its name.
const partialDir = ".pull"

// Request names a model to pull.
type Request struct {
	// Source is owner/name, optionally followed by @revision.
	Source string
	// Name of the folder; empty for one made from the source and the precision.
	Name string
	// Precision is one of Precisions; empty for the best that fits into the memory.
	Precision string
	// base replaces the source in a name that is made; empty for none.
	base string
}

// Progress is how far a pull is.
type Progress struct {
	// Name of the model; File is the one that is being downloaded.
	Name, File  string
	Done, Total int64
}

// Pulled is a model that was pulled.
type Pulled struct {
	Name     string
	Manifest Manifest
	// Present reports whether the same commit was there already, and Replaced whether
	// another one was.
	Present, Replaced bool
}

// Puller pulls models to a folder. Safe for concurrent use, also by several processes.
type Puller struct {
	client *Client
	dir    string
	// memory is what the weights of a model may have; 0 is no limit.
	memory int64
	// free returns the free space at a path.
	free func(dir string) (services.Bytes, error)
	// reserve is the space that is left to jobs.
	reserve services.Bytes

	// Replace is called with a version of a model that is there in an older one. It calls
	// commit, which moves the folder dir to the model's place, if the version is to be
	// taken. By default it is.
	Replace func(ctx context.Context, model, dir string, commit func() error) error
}

// NewPuller returns a puller of models to the folder dir. memory limits the precision that
// is chosen where none is named; 0 is no limit. free measures the disk, of which reserve
// is left to others.
func NewPuller(client *Client, dir string, memory int64, free func(dir string) (services.Bytes, error), reserve services.Bytes) *Puller {
	replace := func(_ context.Context, _, _ string, commit func() error) error { return commit() }
	return &Puller{client: client, dir: dir, memory: memory, free: free, reserve: reserve, Replace: replace}
}

// Reserve is the disk space that is left to jobs by default.
const Reserve = services.GiB

// Weights returns the size of the weights of which one model fits into the memory: while it
// is loaded it peaks at half of them again.
func Weights(memory services.Bytes) int64 { return int64(memory) * 2 / 3 }

// Pull downloads a model. Of two pulls of one model at once, the second waits for the
// first. report may be called from this goroutine only.
func (p *Puller) Pull(ctx context.Context, request Request, report func(Progress)) (Pulled, error) {
	repo, revision, _ := strings.Cut(request.Source, "@")
	s, err := p.client.Snapshot(ctx, repo, cmp.Or(revision, "main"))
	if err != nil {
		return Pulled{}, err
	}
	chosen, err := choose(s, request.Precision, p.memory)
	if err != nil {
		return Pulled{}, err
	}
	name := cmp.Or(request.Name, nameOf(cmp.Or(request.base, repo), chosen.Precision))
	if !services.IsModelName(name) {
		return Pulled{}, services.Invalidf("name",
			"must have 1 to 128 letters, digits, dots, underscores or hyphens, and begin with a letter or digit; got %.200q", name)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, partialDir), 0o755); err != nil { //nolint:gosec // models are not secret
		return Pulled{}, unwritten(err)
	}
	unlock, err := lock(ctx, filepath.Join(p.dir, partialDir, name+".lock"), p.client.pause)
	if err != nil {
		return Pulled{}, err
	}
	defer unlock()
	return p.pull(ctx, name, s, chosen, report)
}

// nameOf returns the name of the folder of a repository.
func nameOf(repo, precision string) string {
	name := strings.Replace(repo, "/", "--", 1)
	if precision != FullPrecision {
		name += "-" + precision
	}
	return name
}

// pull downloads the model while its lock is held.
func (p *Puller) pull(ctx context.Context, name string, s Snapshot, chosen choice, report func(Progress)) (Pulled, error) {
	target := filepath.Join(p.dir, name)
	manifest := Manifest{
		Schema: 1, Source: s.Repo, Endpoint: p.client.settings.Endpoint, Requested: s.Requested, Revision: s.Commit,
		Precision: chosen.Precision, License: s.License,
	}
	had, replaces, err := p.existing(target, manifest)
	if err != nil {
		return Pulled{}, err
	}
	if replaces && had.Revision == s.Commit && had.Precision == chosen.Precision {
		report(Progress{Name: name, Done: had.Bytes(), Total: had.Bytes()})
		return Pulled{Name: name, Manifest: had, Present: true}, nil
	}
	work := filepath.Join(p.dir, partialDir, name)
	if err := begin(work, s); err != nil {
		return Pulled{}, err
	}
	if err := p.hasRoom(work, chosen); err != nil {
		return Pulled{}, err
	}
	if manifest.Files, err = p.files(ctx, work, name, s, chosen, report); err != nil {
		return Pulled{}, err
	}
	manifest.Pulled = time.Now().UTC().Truncate(time.Second)
	if err := complete(work, manifest); err != nil {
		return Pulled{}, unwritten(err)
	}
	commit := func() error { return place(work, target, replaces) }
	if !replaces {
		err = commit()
	} else if err = p.Replace(ctx, name, work, commit); err != nil {
		return Pulled{}, errors.Join(err, refused(work, s, err))
	}
	if err != nil {
		return Pulled{}, unwritten(err)
	}
	return Pulled{Name: name, Manifest: manifest, Replaced: replaces}, nil
}

// existing returns the manifest of the folder that a pull would replace: one of the same
// repository. Any other folder is a fault.
func (p *Puller) existing(target string, wanted Manifest) (had Manifest, replaces bool, err error) {
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, false, nil
	}
	had, err = ReadManifest(target)
	if err != nil || had.Source != wanted.Source || had.Endpoint != wanted.Endpoint {
		return Manifest{}, false, services.Invalidf("name",
			"%s is the name of another model; remove it first, or choose another name", filepath.Base(target))
	}
	return had, true, nil
}

// begun is the file of an unfinished pull that names its commit.
const begun = ".commit"

// mark writes the file that names the commit.
func mark(work string, s Snapshot) error {
	return os.WriteFile(filepath.Join(work, begun), commitOf(s), 0o644) //nolint:gosec // not secret
}

func commitOf(s Snapshot) []byte { return fmt.Appendf(nil, "%s@%s\n", s.Repo, s.Commit) }

// begin prepares the folder of a pull. It is emptied if it is of another commit.
func begin(work string, s Snapshot) error {
	if had, err := os.ReadFile(filepath.Join(work, begun)); err == nil && bytes.Equal(had, commitOf(s)) { //nolint:gosec // our own file
		return nil
	}
	if err := os.RemoveAll(work); err != nil {
		return unwritten(err)
	}
	if err := os.MkdirAll(work, 0o755); err != nil { //nolint:gosec // models are not secret
		return unwritten(err)
	}
	if err := mark(work, s); err != nil {
		return unwritten(err)
	}
	return nil
}

// hasRoom returns a fault if the disk has too little space for what is missing.
func (p *Puller) hasRoom(work string, chosen choice) error {
	missing := chosen.Bytes
	for _, file := range chosen.Files {
		if info, err := os.Stat(filepath.Join(work, filepath.FromSlash(file.Path))); err == nil {
			missing -= min(info.Size(), file.Size)
		}
	}
	free, err := p.free(work)
	if err == nil && free < services.Bytes(missing)+p.reserve {
		return services.Faultf(services.KindFull, "the model needs %s of disk space and %s stay free for jobs; %s are free",
			services.Bytes(missing), p.reserve, free)
	}
	return nil
}

// files downloads the files one after another.
func (p *Puller) files(
	ctx context.Context, work, name string, s Snapshot, chosen choice, report func(Progress),
) (items []ManifestItem, err error) {
	var before int64
	for _, file := range chosen.Files {
		target := filepath.Join(work, filepath.FromSlash(file.Path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // models are not secret
			return nil, unwritten(err)
		}
		sum, err := p.client.Fetch(ctx, s, file, target, func(bytes int64) {
			report(Progress{Name: name, File: file.Path, Done: before + bytes, Total: chosen.Bytes})
		})
		if err != nil {
			return nil, err
		}
		before += file.Size
		items = append(items, ManifestItem{Path: file.Path, Bytes: file.Size, SHA256: sum})
	}
	return items, nil
}

// refused removes the folder of a version that was not taken, unless a repetition may take
// it, which then downloads nothing.
func refused(work string, s Snapshot, why error) error {
	if kind := services.KindOf(why); kind == services.KindInternal || kind == services.KindInvalid {
		return os.RemoveAll(work)
	}
	return mark(work, s)
}

// complete makes the folder of a pull a model's.
func complete(work string, manifest Manifest) error {
	if err := removeOthers(work, manifest); err != nil {
		return err
	}
	return manifest.write(work)
}

// place moves the folder of a pull to the model's place. What it replaces is removed, and
// where the system can exchange folders, the model is there at any time.
func place(work, target string, replaces bool) error {
	if replaces {
		if exchange(work, target) == nil {
			err := errors.Join(syncDir(filepath.Dir(target)), syncDir(filepath.Dir(work)))
			_ = os.RemoveAll(work) // otherwise the next pull does it
			return err
		}
		if err := retire(target); err != nil {
			return err
		}
	}
	if err := os.Rename(work, target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// removeOthers removes files of an earlier pull in another precision.
func removeOthers(work string, manifest Manifest) error {
	known := make(map[string]bool)
	for _, item := range manifest.Files {
		known[filepath.Join(work, filepath.FromSlash(item.Path))] = true
	}
	return filepath.WalkDir(work, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return syncDir(name)
		case !known[name]:
			return os.Remove(name)
		}
		return nil
	})
}

// retire removes a folder under another name, so that it is never half there.
func retire(target string) error {
	old := filepath.Join(filepath.Dir(target), partialDir, filepath.Base(target)+".old")
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(target, old); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

func syncDir(dir string) error {
	folder, err := os.Open(dir) //nolint:gosec // a folder of the models
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// lockInterval is how often a lock is tried.
const lockInterval = 200 * time.Millisecond

// lock waits for a lock that excludes other processes too. The file stays, because a
// process that waits for it has it open.
func lock(ctx context.Context, path string, pause func(context.Context, time.Duration) error) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // not secret
	if err != nil {
		return nil, unwritten(err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // which unlocks it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close() // nothing was written
			return nil, unwritten(fmt.Errorf("lock %s: %w", filepath.Base(path), err))
		}
		if err := pause(ctx, lockInterval); err != nil {
			_ = file.Close() // nothing was written
			return nil, err
		}
	}
}

// Remove removes a model from the folder dir.
func Remove(dir, name string) error {
	if !services.IsModelName(name) {
		return notFound("model", "%.200q does not exist", name)
	}
	target := filepath.Join(dir, name)
	if info, err := os.Lstat(target); err != nil || (!info.IsDir() && info.Mode()&fs.ModeSymlink == 0) {
		return notFound("model", "%q is not in the models folder", name)
	}
	if err := os.MkdirAll(filepath.Join(dir, partialDir), 0o755); err != nil { //nolint:gosec // models are not secret
		return unwritten(err)
	}
	if err := retire(target); err != nil {
		return unwritten(err)
	}
	return nil
}
