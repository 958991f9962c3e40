package modelstore

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// stagedMark is the end of the name under which tasks find another version of a model
// while it is tried. No request can have such a name.
const stagedMark = "@next"

// modelOf returns the name of the model of which a name may be that of a staged version.
func modelOf(name string) string { return strings.TrimSuffix(name, stagedMark) }

// isStaged reports whether a name is that of a staged version.
func isStaged(name string) bool { return strings.HasSuffix(name, stagedMark) }

// stage makes a folder available as another version of a model, until unstage is called. dir
// is empty for the folder that has the model's name.
func (c *Catalog) stage(model, dir string) (staged string, err error) {
	if !services.IsModelName(model) {
		return "", services.Invalidf("model", "%.200q is not the name of a model", model)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	staged = model + stagedMark
	if _, ok := c.staged[staged]; ok {
		return "", &services.Fault{
			Kind: services.KindBusy, Message: "another version of model " + model + " is being loaded already", RetryAfter: time.Second,
		}
	}
	if dir == "" {
		dir = filepath.Join(c.dir, model)
	}
	c.staged[staged] = dir
	return staged, nil
}

// unstage ends stage.
func (c *Catalog) unstage(staged string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.staged, staged)
}

// candidate returns the folder of a staged version. It has the staged name.
func (c *Catalog) candidate(staged string) (Folder, bool) {
	c.mu.Lock()
	dir, ok := c.staged[staged]
	c.mu.Unlock()
	if !ok {
		return Folder{}, false
	}
	return c.read(staged, dir)
}

// keep makes find return the folder in the state from which a model was loaded, although
// its files may change, until release is called. A folder that was staged has the model's
// place now.
func (c *Catalog) keep(model string, folder Folder) Folder {
	folder.Name = model
	if folder.Origin == OriginFolder {
		folder.dir = filepath.Join(c.dir, model)
		folder.files = disk(folder.dir)
		folder.pulled = folder.pull()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded[model] = folder
	return folder
}

// release ends keep.
func (c *Catalog) release(model string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.loaded, model)
}

// asLoaded returns the folder from which the model with the name of the found folder was
// loaded, if its files have changed since, and the found one otherwise.
func (c *Catalog) asLoaded(found Folder) Folder {
	c.mu.Lock()
	defer c.mu.Unlock()
	loaded, ok := c.loaded[found.Name]
	if !ok || loaded.state.version == found.state.version {
		return found
	}
	loaded.changed = true
	return loaded
}

// manifestFile is the file of a folder that is written with every pull.
const manifestFile = "grym.json"

// pull returns a text that differs between pulls of the folder; empty if it was not pulled.
func (f Folder) pull() string {
	data, err := f.ReadFile(manifestFile)
	if err != nil || f.Origin != OriginFolder {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// pulledSince returns the folders, as they are now, of the loaded models that have been
// pulled since they were loaded.
func (c *Catalog) pulledSince() (folders []Folder) {
	c.mu.Lock()
	loaded := maps.Clone(c.loaded)
	c.mu.Unlock()
	for model, before := range loaded {
		now, ok := c.read(model, filepath.Join(c.dir, model))
		if !ok || now.state.version == before.state.version {
			continue
		}
		if pull := now.pull(); pull != "" && pull != before.pulled {
			folders = append(folders, now)
		}
	}
	return folders
}

// Version returns a text that differs between states of the folder's files.
func (f Folder) Version() string { return f.state.version }

// Changed reports whether the files differ from those of the loaded model, which the folder
// stands for.
func (f Folder) Changed() bool { return f.changed }

// sameAs returns an error for a version that cannot be taken since the files have changed while
// it was tried.
func (c *Catalog) sameAs(staged, version string) error {
	folder, ok := c.candidate(staged)
	if !ok || folder.state.version != version {
		return fmt.Errorf("the files of %s have changed while they were loaded", modelOf(staged))
	}
	return nil
}
