// Package importer makes model folders of checkpoints that are published for PyTorch only. It
// runs the exporters of this project in Python, with an environment that it makes where the
// interpreter lacks their packages. It knows nothing of the services that load the folders.
package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/grym-synth/grym-synth/models/export"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// Request names a checkpoint and the model to make of it.
type Request struct {
	// Kind is one of Kinds.
	Kind string
	// Sources are the folders and files of the checkpoint, or repositories of the model hub
	// as owner/name or owner/name@revision.
	Sources []string
	// Name of the model; Precision is empty for the exporter's own.
	Name, Precision string
	// Python is an interpreter; empty for python3 in the path.
	Python string
}

// kind is a kind of checkpoint, as export.Exporters describes it.
type kind struct {
	Kind, Service, Script          string
	Sources, Precisions, Arguments []string
	// Root are the files that are needed beside the folders; * is all of them.
	Root, Folders []string
}

// kinds are those that can be imported.
var kinds = sync.OnceValue(func() (list []kind) {
	if err := json.Unmarshal(export.Exporters, &list); err != nil {
		panic(err) // it is part of the program
	}
	return list
})

// Kinds returns the names of the kinds of checkpoint.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.Kind)
	}
	return names
}

// needs reports whether the exporter reads a file of a repository.
func (k kind) needs(name string, all []string) bool {
	folder, _, nested := strings.Cut(name, "/")
	if !nested && slices.Contains(k.Root, name) {
		return true
	}
	if nested && !slices.Contains(k.Folders, folder) || !nested && !slices.Contains(k.Root, "*") {
		return false
	}
	return isTable(name) || isWeights(name, all)
}

// arguments returns those of the script.
func (k kind) arguments(sources []string, out, precision string) []string {
	pairs := []string{"{out}", out, "{precision}", precision}
	for i, source := range sources {
		pairs = append(pairs, fmt.Sprintf("{%d}", i), source)
	}
	fill := strings.NewReplacer(pairs...)
	list := make([]string, len(k.Arguments))
	for i, argument := range k.Arguments {
		list[i] = fill.Replace(argument)
	}
	return list
}

// isTable reports whether a file has settings or a vocabulary.
func isTable(name string) bool {
	return slices.Contains([]string{".json", ".txt", ".model"}, filepath.Ext(name))
}

// isWeights reports whether a file has weights. Those as safetensors make others of the same
// folder superfluous.
func isWeights(name string, all []string) bool {
	if strings.HasSuffix(name, ".safetensors") {
		return !strings.Contains(filepath.Base(name), "fp16") // the same in half the precision
	}
	if !strings.HasSuffix(name, ".bin") {
		return false
	}
	return !slices.ContainsFunc(all, func(other string) bool {
		return strings.HasSuffix(other, ".safetensors") && filepath.Dir(other) == filepath.Dir(name)
	})
}

// Plan is what an import does.
type Plan struct {
	request Request
	kind    kind
	python  python
	// missing are the packages that an environment is made for; empty if the interpreter has
	// them.
	missing []string
	// remote are the repositories, by the index of the source.
	remote map[int]hub.Snapshot
	client *hub.Client
	// environment is where the environment is, work where files are made.
	environment, work string
}

// Prepare checks a request, looks for Python and asks the hub for the sizes of what is
// downloaded. environment is the folder of the Python environment, work that of files.
func Prepare(ctx context.Context, request Request, client *hub.Client, environment, work string) (*Plan, error) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return k.Kind == request.Kind })
	if i < 0 {
		return nil, services.Invalidf("kind", "%.40q is unknown; available: %s", request.Kind, strings.Join(Kinds(), ", "))
	}
	p := &Plan{request: request, kind: kinds()[i], client: client, environment: environment, work: work}
	p.remote = make(map[int]hub.Snapshot)
	if len(request.Sources) != len(p.kind.Sources) {
		return nil, services.Invalidf("sources", "must be %s, got %d arguments", strings.Join(p.kind.Sources, " "), len(request.Sources))
	}
	if !services.IsModelName(request.Name) {
		return nil, services.Invalidf("name", "%.200q cannot be the name of a model", request.Name)
	}
	if p.request.Precision == "" {
		p.request.Precision = p.kind.Precisions[0]
	}
	if !slices.Contains(p.kind.Precisions, p.request.Precision) {
		return nil, services.Invalidf("precision", "must be %s, got %.40q", strings.Join(p.kind.Precisions, " or "), request.Precision)
	}
	for i, source := range request.Sources {
		if err := p.find(ctx, i, source); err != nil {
			return nil, err
		}
	}
	var err error
	if p.python, err = findPython(ctx, request.Python, environment); err != nil {
		return nil, err
	}
	p.missing = p.python.missing
	return p, nil
}

// find looks for a source on the disk, and else on the hub.
func (p *Plan) find(ctx context.Context, i int, source string) error {
	if source == "-" && i > 0 {
		return nil // none
	}
	_, err := os.Stat(source)
	if err == nil {
		p.request.Sources[i], err = filepath.Abs(source)
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	repo, revision, _ := strings.Cut(source, "@")
	if i > 0 || strings.Count(repo, "/") != 1 || strings.HasPrefix(repo, ".") || strings.HasPrefix(repo, "/") {
		return services.Invalidf(strings.ToLower(p.kind.Sources[i]), "%.200s does not exist", source)
	}
	if revision == "" {
		revision = "main"
	}
	s, err := p.client.Snapshot(ctx, repo, revision)
	if err != nil {
		return err
	}
	names := make([]string, len(s.Files))
	for i, file := range s.Files {
		names[i] = file.Path
	}
	s.Files = slices.DeleteFunc(s.Files, func(file hub.File) bool { return !p.kind.needs(file.Path, names) })
	if len(s.Files) == 0 {
		return services.Invalidf("source", "%s has no checkpoint of the kind %s", repo, p.kind.Kind)
	}
	p.remote[i] = s
	return nil
}

// Service returns the name of the service that loads the model.
func (p *Plan) Service() string { return p.kind.Service }

// Fetches reports whether anything is downloaded.
func (p *Plan) Fetches() bool { return len(p.missing) > 0 || len(p.remote) > 0 }

// String returns what is done, a line for each step.
func (p *Plan) String() string {
	var text strings.Builder
	if len(p.missing) > 0 {
		fmt.Fprintf(&text, "make a Python environment in %s with %s, and fetch its packages with pip: %s\n"+
			"  (PyTorch alone has several hundred megabytes, and gigabytes with support for graphics cards; PIP_INDEX_URL names another index)\n",
			p.environment, p.python.path, strings.Join(p.missing, ", "))
	} else {
		fmt.Fprintf(&text, "use %s, which has the packages: nothing is installed\n", p.python.path)
	}
	for i := range p.request.Sources {
		s, ok := p.remote[i]
		if !ok {
			continue
		}
		var bytes int64
		for _, file := range s.Files {
			bytes += file.Size
		}
		license := s.License
		if license == "" {
			license = "not stated"
		}
		fmt.Fprintf(&text, "download %d files of %s, %s, revision %s, licence: %s\n",
			len(s.Files), services.Bytes(bytes), s.Repo, s.Commit, license)
	}
	fmt.Fprintf(&text, "export the graphs, and install the folder as model %s in %s\n", p.request.Name, p.request.Precision)
	return text.String()
}
