package app

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// sessions are the engine's open sessions as resources.
func (e *engine) sessions() (list []resources.Resource) {
	numbers := make(map[string]int)
	for _, session := range e.runtime.Sessions() {
		name := session.Graph
		if numbers[name]++; numbers[name] > 1 {
			name += "#" + strconv.Itoa(numbers[name])
		}
		r := resources.Resource{
			ID: "session/" + name, Type: "session", Name: name, Status: resources.StatusReady, Created: session.Created, LastUsed: session.LastUsed,
			Metadata: map[string]any{"inputs": session.Inputs, "outputs": session.Outputs, "runs": session.Runs, "running": session.Running},
		}
		if session.Running > 0 {
			r.Status = resources.StatusBusy
		}
		list = append(list, r)
	}
	return list
}

// maxFiles limits the files of each folder in the inventory.
const maxFiles = 1000

// files are what is stored on disk as resources: what tasks work on and made,
// conversations, the jobs' store, and models' folders.
func files(cfg config.Config, spool string) (list []resources.Resource) {
	for _, folder := range []struct{ name, dir string }{{"spool", spool}, {"jobs", cfg.JobsDir()}, {"models", cfg.ModelsDir()}} {
		n := 0
		// A missing folder is empty, and files may be deleted during the walk.
		_ = filepath.WalkDir(folder.dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // unreadable files are not listed
			}
			info, err := entry.Info()
			if err != nil {
				return nil //nolint:nilerr // deleted during the walk
			}
			if n++; n > maxFiles {
				return fs.SkipAll
			}
			name, err := filepath.Rel(folder.dir, path)
			if err != nil {
				name = entry.Name()
			}
			name = filepath.ToSlash(name)
			list = append(list, resources.Resource{
				ID: "file/" + folder.name + "/" + name, Type: "file", Name: name, Bytes: services.Bytes(info.Size()),
				Status: resources.StatusReady, Created: info.ModTime(), LastUsed: info.ModTime(),
				Metadata: map[string]any{"folder": folder.name, "extension": strings.TrimPrefix(filepath.Ext(name), ".")},
			})
			return nil
		})
	}
	return list
}
