package importer

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/grym-synth/grym-synth/models/export"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// Run does what the plan says, but for the installation: it returns the folder that the
// exporter has made, with the beginning of its manifest. The output of pip and of the exporter
// goes to log; report is called while files are downloaded.
func (p *Plan) Run(
	ctx context.Context, log io.Writer, report func(file string, done, total int64),
) (dir string, m hub.Manifest, err error) {
	if err := os.MkdirAll(p.work, 0o755); err != nil { //nolint:gosec // models are not secret
		return "", m, err
	}
	if err := p.makeEnvironment(ctx, log); err != nil {
		return "", m, err
	}
	m = hub.Manifest{Source: filepath.Base(p.request.Sources[0]), Requested: "import " + p.kind.Kind, Precision: p.request.Precision}
	sources := make([]string, len(p.request.Sources))
	for i, source := range p.request.Sources {
		s, remote := p.remote[i]
		if !remote {
			sources[i] = source
			continue
		}
		if sources[i], err = p.download(ctx, s, report); err != nil {
			return "", m, err
		}
		m.Source, m.Revision, m.License, m.Endpoint = s.Repo, s.Commit, s.License, p.client.Endpoint()
	}
	scripts := filepath.Join(p.work, "exporter")
	if err := unpack(scripts); err != nil {
		return "", m, err
	}
	dir = filepath.Join(p.work, "models", p.request.Name)
	if err := os.RemoveAll(dir); err != nil {
		return "", m, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // models are not secret
		return "", m, err
	}
	args := append([]string{filepath.Join(scripts, p.kind.Script)}, p.kind.arguments(sources, dir, p.request.Precision)...)
	if err := run(ctx, log, scripts, p.python.path, args...); err != nil {
		return "", m, fmt.Errorf("export the graphs: %w", err)
	}
	return dir, m, nil
}

// download downloads the files of a repository, and goes on where an earlier download ended.
func (p *Plan) download(ctx context.Context, s hub.Snapshot, report func(file string, done, total int64)) (string, error) {
	folder := filepath.Join(p.work, "checkpoint-"+s.Commit)
	var done, total int64
	for _, file := range s.Files {
		total += file.Size
	}
	for _, file := range s.Files {
		target := filepath.Join(folder, filepath.FromSlash(file.Path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // models are not secret
			return "", err
		}
		if _, err := p.client.Fetch(ctx, s, file, target, func(bytes int64) { report(file.Path, done+bytes, total) }); err != nil {
			return "", err
		}
		done += file.Size
	}
	return folder, nil
}

// unpack writes the exporters to a folder.
func unpack(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return fs.WalkDir(export.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755) //nolint:gosec // not secret
		}
		data, err := fs.ReadFile(export.FS, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644) //nolint:gosec // not secret
	})
}
