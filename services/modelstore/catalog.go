package modelstore

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
)

// Values of Folder.Origin.
const (
	OriginEmbedded = "embedded"
	OriginFolder   = "folder"
)

// Catalog finds model folders. A folder on disk hides an embedded one of the same name
// and is visible as soon as it exists. Safe for concurrent use.
type Catalog struct {
	embedded fs.FS
	dir      string
	// kinds caches the model types of the folders.
	kinds *Facts[string]
	// opens counts the files opened in folders.
	opens atomic.Int64
	// supported are the model types that services read; empty if they are not known.
	supported []string

	mu sync.Mutex
	// loaded has the folders of loaded models by name, in the state in which they were
	// loaded, and staged the paths of versions that are tried.
	loaded map[string]Folder
	staged map[string]string
}

// NewCatalog returns a catalog of the folders of an embedded file system, which never
// change, and those under dir, which need not exist.
func NewCatalog(embedded fs.FS, dir string) *Catalog {
	return &Catalog{
		embedded: embedded, dir: dir, kinds: NewFacts(Folder.readModelType), loaded: make(map[string]Folder), staged: make(map[string]string),
	}
}

// Supports sets the model types that services read, so that folders of other types are listed
// with the reason. It is called before the catalog is used.
func (c *Catalog) Supports(modelTypes []string) {
	c.supported = slices.Sorted(slices.Values(modelTypes))
}

// Check returns an error if the models folder exists but is not a folder.
func (c *Catalog) Check() error {
	if info, err := os.Stat(c.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("models.dir: %s must be a folder: %w", c.dir, regular.Check(info))
	}
	return nil
}

// Dir returns the folder of the models that are not embedded.
func (c *Catalog) Dir() string { return c.dir }

// Opens returns the number of files opened in model folders so far, not counting files
// that ONNX Runtime opens itself.
func (c *Catalog) Opens() int64 { return c.opens.Load() }

// Find returns the folder with the given name. If there is none, it returns a
// KindNotFound fault that lists the names of the given model types.
func (c *Catalog) Find(name string, modelTypes ...string) (Folder, error) {
	if isStaged(name) {
		if folder, ok := c.candidate(name); ok {
			return folder, nil
		}
	} else if services.IsModelName(name) { // which keeps it within the models folder
		if folder, ok := c.find(name); ok {
			return folder, nil
		}
	}
	known := make([]string, 0, 4)
	for _, folder := range c.List(modelTypes...) {
		known = append(known, folder.Name)
	}
	return Folder{}, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
		{Field: "model", Problem: fmt.Sprintf("%q does not exist; available: %s", name, cmp.Or(strings.Join(known, ", "), "none"))},
	}}
}

// find reads the names, times and sizes of the files, and their content only if these
// have changed. A loaded model is found as it was loaded.
func (c *Catalog) find(name string) (Folder, bool) {
	folder, ok := c.read(name, filepath.Join(c.dir, name))
	if !ok {
		return Folder{}, false
	}
	return c.asLoaded(folder), true
}

// read returns the folder at a path, or else the embedded one of the model.
func (c *Catalog) read(name, dir string) (Folder, bool) {
	folder := Folder{Name: name, opens: &c.opens}
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		folder.Origin, folder.dir, folder.files = OriginFolder, dir, disk(dir)
		if folder.state, err = stateOf(dir); err != nil {
			folder.problem = fmt.Errorf("%s: %w", name, err)
			return folder, true
		}
	} else if info, err := fs.Stat(c.embedded, modelOf(name)); err == nil && info.IsDir() {
		if folder.files, err = fs.Sub(c.embedded, modelOf(name)); err != nil {
			return Folder{}, false
		}
		folder.Origin, folder.state = OriginEmbedded, state{version: OriginEmbedded, bytes: sizeOf(folder.files)}
	} else {
		return Folder{}, false
	}
	folder.modelType, folder.problem = c.kinds.Of(folder)
	if len(c.supported) > 0 && folder.modelType != "" && !slices.Contains(c.supported, folder.modelType) {
		folder.unsupported = fmt.Errorf("%s: it is of type %.64q, which no service reads; types that are read: %s", name, folder.modelType,
			strings.Join(c.supported, ", "))
	}
	return folder, true
}

// sizeOf returns the size of all files of an embedded folder.
func sizeOf(folder fs.FS) (bytes int64) {
	_ = fs.WalkDir(folder, ".", func(_ string, entry fs.DirEntry, err error) error { // it is in memory
		if err == nil && !entry.IsDir() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// All returns every folder that is a model, or would be if its files could be read, ordered
// by name.
func (c *Catalog) All() []Folder {
	return c.list(func(f Folder) bool { return f.problem != nil || f.modelType != "" })
}

// List returns the folders of the given ModelTypes, ordered by name. Folders that are
// not models are omitted.
func (c *Catalog) List(modelTypes ...string) []Folder {
	return c.list(func(f Folder) bool { return f.problem == nil && slices.Contains(modelTypes, f.modelType) })
}

// Unreadable returns the folders that no service lists: those of a type that no service reads, and
// those whose type is unknown because the files that contain it are missing or cannot be read.
func (c *Catalog) Unreadable() []services.ModelStatus {
	var list []services.ModelStatus
	for _, folder := range c.list(func(f Folder) bool { return f.Problem() != nil }) {
		list = append(list, services.ModelStatus{
			Name: folder.Name, State: services.StateUnavailable, Origin: folder.Origin, Created: folder.Modified(),
			Problem: folder.Problem().Error(),
		})
	}
	return list
}

func (c *Catalog) list(wanted func(Folder) bool) []Folder {
	names := make(map[string]bool)
	for _, root := range []fs.FS{c.embedded, os.DirFS(c.dir)} {
		entries, err := fs.ReadDir(root, ".")
		if err != nil {
			// The models folder usually does not exist.
			continue
		}
		for _, entry := range entries {
			names[entry.Name()] = services.IsModelName(entry.Name())
		}
	}
	var folders []Folder
	for name, valid := range names {
		if !valid {
			continue
		}
		if folder, ok := c.find(name); ok && wanted(folder) {
			folders = append(folders, folder)
		}
	}
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(a.Name, b.Name) })
	return folders
}
