package modelstore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
)

// Origins of a folder.
const (
	OriginEmbedded = "embedded"
	OriginFolder   = "folder"
)

// Catalog lists model folders. A folder on disk shadows an embedded one of its
// name, and is seen from the moment it is there. Safe for concurrent use.
type Catalog struct {
	embedded fs.FS
	dir      string
	// kinds has the model types of the folders.
	kinds *Facts[string]
	// opens counts the files of folders that were opened.
	opens atomic.Int64
}

// NewCatalog joins the folders of an embedded file system, which never change,
// with those under dir. The directory need not exist.
func NewCatalog(embedded fs.FS, dir string) *Catalog {
	return &Catalog{embedded: embedded, dir: dir, kinds: NewFacts(Folder.readModelType)}
}

// Check returns an error when the models folder is there and no folder.
func (c *Catalog) Check() error {
	if info, err := os.Stat(c.dir); err == nil && !info.IsDir() {
		return fmt.Errorf("models.dir: %s must be a folder: %w", c.dir, regular.Check(info))
	}
	return nil
}

// Opens returns how many files of model folders were opened so far. What ONNX
// Runtime opens itself is not counted.
func (c *Catalog) Opens() int64 { return c.opens.Load() }

// Find returns the folder of that name. The fault is not found, and lists the
// names there are of the given model type.
func (c *Catalog) Find(name, modelType string) (Folder, error) {
	if services.IsModelName(name) { // which keeps it from leaving the models folder
		if folder, ok := c.find(name); ok {
			return folder, nil
		}
	}
	known := make([]string, 0, 4)
	for _, folder := range c.List(modelType) {
		known = append(known, folder.Name)
	}
	return Folder{}, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
		{Field: "model", Problem: fmt.Sprintf("%q does not exist; there is %s", name, strings.Join(known, ", "))},
	}}
}

// find looks at the files' names, times and sizes, and at their content only
// where these have changed.
func (c *Catalog) find(name string) (Folder, bool) {
	folder := Folder{Name: name, opens: &c.opens}
	dir := filepath.Join(c.dir, name)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		folder.Origin, folder.dir, folder.files = OriginFolder, dir, disk(dir)
		if folder.state, err = stateOf(dir); err != nil {
			folder.problem = fmt.Errorf("%s: %w", name, err)
			return folder, true
		}
	} else if info, err := fs.Stat(c.embedded, name); err == nil && info.IsDir() {
		if folder.files, err = fs.Sub(c.embedded, name); err != nil {
			return Folder{}, false
		}
		folder.Origin, folder.state = OriginEmbedded, state{version: OriginEmbedded}
	} else {
		return Folder{}, false
	}
	folder.modelType, folder.problem = c.kinds.Of(folder)
	return folder, true
}

// List returns every folder of that ModelType, by name.
// Folders that are not models of any kind are left out.
func (c *Catalog) List(modelType string) []Folder {
	return c.list(func(f Folder) bool { return f.problem == nil && f.modelType == modelType })
}

// Unreadable lists the folders whose files do not say what kind of model they
// are, because they cannot be read. A folder without these files is no model.
func (c *Catalog) Unreadable() []services.ModelStatus {
	var list []services.ModelStatus
	for _, folder := range c.list(func(f Folder) bool { return f.problem != nil }) {
		list = append(list, services.ModelStatus{
			Name: folder.Name, State: services.StateUnavailable, Origin: folder.Origin, Created: folder.Modified(), Problem: folder.problem.Error(),
		})
	}
	return list
}

func (c *Catalog) list(wanted func(Folder) bool) []Folder {
	names := make(map[string]bool)
	for _, root := range []fs.FS{c.embedded, os.DirFS(c.dir)} {
		entries, err := fs.ReadDir(root, ".")
		if err != nil {
			// No models folder is the usual case.
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
