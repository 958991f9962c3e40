package modelstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// maxJSONBytes bounds the configuration files of a model folder. The largest
// known, a tokenizer with 250,000 entries, has 17 MB.
const maxJSONBytes = 32 << 20

// validName keeps a model's name from leaving the models folder.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

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
}

// NewCatalog joins the folders of an embedded file system with those under
// dir. The directory need not exist.
func NewCatalog(embedded fs.FS, dir string) *Catalog {
	return &Catalog{embedded: embedded, dir: dir}
}

// Folder is one model's files.
type Folder struct {
	Name   string
	Origin string
	files  fs.FS
	// dir is the folder on disk, empty for an embedded one.
	dir string
}

// Find gives the folder of that name. The fault is not found, and lists the
// names there are of the given model type.
func (c *Catalog) Find(name, modelType string) (Folder, error) {
	if validName.MatchString(name) {
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

func (c *Catalog) find(name string) (Folder, bool) {
	dir := filepath.Join(c.dir, name)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return Folder{Name: name, Origin: OriginFolder, files: os.DirFS(dir), dir: dir}, true
	}
	if info, err := fs.Stat(c.embedded, name); err == nil && info.IsDir() {
		if sub, err := fs.Sub(c.embedded, name); err == nil {
			return Folder{Name: name, Origin: OriginEmbedded, files: sub}, true
		}
	}
	return Folder{}, false
}

// List gives every folder of that ModelType, by name.
// Folders that are not models of any kind are left out.
func (c *Catalog) List(modelType string) []Folder {
	names := make(map[string]bool)
	for _, root := range []fs.FS{c.embedded, os.DirFS(c.dir)} {
		entries, err := fs.ReadDir(root, ".")
		if err != nil {
			// No models folder is the usual case.
			continue
		}
		for _, entry := range entries {
			names[entry.Name()] = validName.MatchString(entry.Name())
		}
	}
	var folders []Folder
	for name, valid := range names {
		if !valid {
			continue
		}
		if folder, ok := c.find(name); ok && folder.ModelType() == modelType {
			folders = append(folders, folder)
		}
	}
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(a.Name, b.Name) })
	return folders
}

// ModelType is the model_type of config.json or, for a folder of several
// networks, the _class_name of model_index.json; empty where there is neither.
func (f Folder) ModelType() string {
	var index struct {
		Class string `json:"_class_name"`
	}
	if err := f.ReadJSON("model_index.json", &index); err == nil {
		return index.Class
	}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := f.ReadJSON("config.json", &config); err != nil {
		return ""
	}
	return config.ModelType
}

// ReadJSON decodes one of the folder's files. The error names the file.
func (f Folder) ReadJSON(name string, into any) error {
	data, err := f.ReadFile(name)
	if err != nil {
		return err
	}
	if err := limits.Decode(data, into, limits.Settings); err != nil {
		return fmt.Errorf("%s/%s: %w", f.Name, name, err)
	}
	return nil
}

// ReadFile reads one of the folder's small files. The error names the file and
// wraps fs.ErrNotExist where it is missing.
func (f Folder) ReadFile(name string) ([]byte, error) {
	info, err := fs.Stat(f.files, name)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", f.Name, name, cause(err))
	}
	if info.Size() > maxJSONBytes {
		return nil, fmt.Errorf("%s/%s has %d bytes, more than %d", f.Name, name, info.Size(), maxJSONBytes)
	}
	data, err := fs.ReadFile(f.files, name)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", f.Name, name, cause(err))
	}
	return data, nil
}

// cause drops the operation and path that the fs package puts before an error.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// Graph locates an ONNX file by its base name: in the folder's root, or in
// onnx/ as transformers.js lays folders out. bytes is the size of the graph
// with its external weights.
func (f Folder) Graph(name string) (graph onnx.Graph, bytes services.Bytes, err error) {
	found, bytes, err := f.locate(name)
	if err != nil {
		return onnx.Graph{}, 0, err
	}
	graph = onnx.Graph{Name: f.Name + "/" + found}
	if f.dir != "" {
		graph.Path = filepath.Join(f.dir, filepath.FromSlash(found))
	} else if graph.Data, err = fs.ReadFile(f.files, found); err != nil {
		return onnx.Graph{}, 0, fmt.Errorf("%s/%s: %w", f.Name, found, cause(err))
	}
	return graph, bytes, nil
}

// Signature reads what a graph takes and gives, and its size as Graph tells it,
// without reading the weights.
func (f Folder) Signature(name string) (signature onnx.Signature, bytes services.Bytes, err error) {
	found, bytes, err := f.locate(name)
	if err != nil {
		return onnx.Signature{}, 0, err
	}
	file, err := f.files.Open(found)
	if err != nil {
		return onnx.Signature{}, 0, fmt.Errorf("%s/%s: %w", f.Name, found, cause(err))
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	// Both the files of a disk and embedded ones can be read at any place.
	if reader, ok := file.(io.ReaderAt); ok && err == nil {
		signature, err = onnx.ReadSignature(reader, info.Size())
	}
	if err != nil {
		return onnx.Signature{}, 0, fmt.Errorf("%s/%s: %w", f.Name, found, cause(err))
	}
	return signature, bytes, nil
}

// Version tells one state of a graph's file from another; it is empty where there
// is none.
func (f Folder) Version(name string) string {
	found, bytes, err := f.locate(name)
	if err != nil {
		return ""
	}
	info, err := fs.Stat(f.files, found)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %d %d", found, bytes, info.ModTime().UnixNano())
}

// locate finds a graph and its size.
func (f Folder) locate(name string) (found string, bytes services.Bytes, err error) {
	for _, candidate := range []string{name, path.Join(path.Dir(name), "onnx", path.Base(name))} {
		info, err := fs.Stat(f.files, candidate)
		if err != nil {
			continue
		}
		size := info.Size()
		if external, err := fs.Stat(f.files, candidate+"_data"); err == nil {
			size += external.Size()
		}
		return candidate, services.Bytes(size), nil
	}
	return "", 0, fmt.Errorf("%s/%s, nor %s/onnx/%s: %w", f.Name, name, f.Name, name, fs.ErrNotExist)
}

// precisions are the endings of a graph's name, in the order of choice: float32 as
// it was exported, then what is nearest to it. Optimum and transformers.js write them.
var precisions = []string{"", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4"}

// AnyGraph is Graph for a folder that may have the graph in another precision only:
// of model.onnx, model_fp16.onnx, model_quantized.onnx and so on, the first there is.
func (f Folder) AnyGraph(name string) (graph onnx.Graph, bytes services.Bytes, err error) {
	stem := strings.TrimSuffix(name, ".onnx")
	for _, precision := range precisions {
		graph, bytes, err = f.Graph(stem + precision + ".onnx")
		if !errors.Is(err, fs.ErrNotExist) {
			return graph, bytes, err
		}
	}
	return f.Graph(name)
}

// Modified is when the folder's config.json or model_index.json was last changed;
// zero for an embedded folder.
func (f Folder) Modified() time.Time {
	info, err := fs.Stat(f.files, "model_index.json")
	if err != nil {
		info, err = fs.Stat(f.files, "config.json")
	}
	if err != nil || f.Origin == OriginEmbedded {
		return time.Time{}
	}
	return info.ModTime()
}
