package modelstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// maxJSONBytes is the maximum size of a JSON file in a model folder. The largest known,
// a tokenizer with 250,000 entries, has 17 MB.
const maxJSONBytes = 32 << 20

// Folder is a model's folder in the state in which it was found.
type Folder struct {
	Name   string
	Origin string
	files  fs.FS
	// dir is the path on disk; empty for an embedded folder.
	dir   string
	state state
	opens *atomic.Int64
	// changed reports whether the folder is that of a loaded model whose files differ now.
	changed bool
	// pulled is the pull that a loaded model is from.
	pulled string

	modelType string
	// problem is the reason why the model type is unknown.
	problem error
	// unsupported is the reason why no service reads the folder, although its type is known.
	unsupported error
}

// ModelType is the model_type of config.json or, for a folder of several networks, the
// _class_name of model_index.json. It is empty if neither can be read.
func (f Folder) ModelType() string { return f.modelType }

// Require returns a fault unless the folder has one of the given model types. needs begins the
// sentence about the requirement, as in "generation needs". If the type is unknown
// because it cannot be read, the fault is that of Unusable.
func (f Folder) Require(modelTypes []string, needs, defaultModel string) error {
	if f.problem != nil {
		return Unusable(f.Name, defaultModel, f.problem)
	}
	if !slices.Contains(modelTypes, f.modelType) {
		return services.Invalidf("model", "%q is of type %.64q; %s %s", f.Name, f.modelType, needs, strings.Join(modelTypes, " or "))
	}
	return nil
}

// Problem returns why no service can read the folder; nil if one may.
func (f Folder) Problem() error {
	if f.problem != nil {
		return f.problem
	}
	return f.unsupported
}

// Bytes returns the size of the folder's files.
func (f Folder) Bytes() int64 { return f.state.bytes }

func (f Folder) readModelType() (string, error) {
	var index struct {
		Class string `json:"_class_name"`
	}
	if err := f.ReadJSON("model_index.json", &index); !errors.Is(err, fs.ErrNotExist) {
		return index.Class, err
	}
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := f.ReadJSON("config.json", &config); !errors.Is(err, fs.ErrNotExist) {
		return config.ModelType, err
	}
	if f.Origin == OriginEmbedded {
		return "", nil
	}
	return "", fmt.Errorf("neither %s/config.json nor %[1]s/model_index.json exists: %w", f.Name, fs.ErrNotExist)
}

// open opens a file of the folder, which must be regular.
func (f Folder) open(name string) (fs.File, fs.FileInfo, error) {
	f.opens.Add(1)
	file, err := f.files.Open(name)
	if err != nil {
		return nil, nil, f.refused(name, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = regular.Check(info)
	}
	if err != nil {
		_ = file.Close() // nothing has been read
		return nil, nil, f.refused(name, err)
	}
	return file, info, nil
}

// stat describes a file of the folder, which must be regular.
func (f Folder) stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(f.files, name)
	if err == nil {
		err = regular.Check(info)
	}
	if err != nil {
		return nil, f.refused(name, err)
	}
	return info, nil
}

// refused replaces the operation and the path that the fs package prepends to an error
// with the file's name.
func (f Folder) refused(name string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s/%s: %w", f.Name, name, err)
}

// ReadJSON decodes a file of the folder. The error names the file.
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

// ReadFile reads a small file of the folder. The error names the file and wraps
// fs.ErrNotExist if it is missing.
func (f Folder) ReadFile(name string) ([]byte, error) {
	file, info, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	if info.Size() > maxJSONBytes {
		return nil, fmt.Errorf("%s/%s has %d bytes, more than %d", f.Name, name, info.Size(), maxJSONBytes)
	}
	data, err := regular.ReadAll(file, maxJSONBytes)
	if err != nil {
		return nil, f.refused(name, err)
	}
	return data, nil
}

// File is an opened file of a folder.
type File interface {
	io.ReaderAt
	io.Closer
}

// OpenFile opens a large file of the folder, and returns its size. The error names the file.
func (f Folder) OpenFile(name string) (File, int64, error) {
	file, info, err := f.open(name)
	if err != nil {
		return nil, 0, err
	}
	// Files on disk and embedded files both support reading at an offset.
	opened, ok := file.(File)
	if !ok {
		_ = file.Close() // nothing has been read
		return nil, 0, f.refused(name, errors.ErrUnsupported)
	}
	return opened, info.Size(), nil
}

// Entries returns the names in a subfolder. It returns none if the folder does not exist.
func (f Folder) Entries(sub string) ([]string, error) {
	entries, err := fs.ReadDir(f.files, sub)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, f.refused(sub, err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

// Modified returns the modification time of the folder's config.json or
// model_index.json; zero for an embedded folder.
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

// Graph returns an ONNX file by its base name, from the folder itself or from its
// subfolder onnx, where transformers.js places graphs. bytes is the size of the graph
// with its external weights.
func (f Folder) Graph(name string) (graph onnx.Graph, bytes services.Bytes, err error) {
	found, bytes, err := f.locate(name)
	if err != nil {
		return onnx.Graph{}, 0, err
	}
	graph = onnx.Graph{Name: f.Name + "/" + found}
	if f.dir != "" {
		graph.Path = filepath.Join(f.dir, filepath.FromSlash(found))
		// OpenSession rejects files that are not models.
		if _, weighed, err := f.signature(found); err == nil {
			bytes = weighed
		}
		return graph, bytes, nil
	}
	file, _, err := f.open(found)
	if err != nil {
		return onnx.Graph{}, 0, err
	}
	defer func() { _ = file.Close() }() // it was only read
	if graph.Data, err = io.ReadAll(file); err != nil {
		return onnx.Graph{}, 0, f.refused(found, err)
	}
	return graph, bytes, nil
}

// Signature returns the inputs and outputs of a graph without reading the weights, and
// its size as Graph does. If a file of weights cannot be opened, the error names it.
func (f Folder) Signature(name string) (signature onnx.Signature, bytes services.Bytes, err error) {
	found, _, err := f.locate(name)
	if err != nil {
		return onnx.Signature{}, 0, err
	}
	return f.signature(found)
}

func (f Folder) signature(found string) (signature onnx.Signature, bytes services.Bytes, err error) {
	file, info, err := f.open(found)
	if err != nil {
		return onnx.Signature{}, 0, err
	}
	defer func() { _ = file.Close() }() // it was only read
	// Files on disk and embedded files both support reading at an offset.
	if reader, ok := file.(io.ReaderAt); ok {
		signature, err = onnx.ReadSignature(reader, info.Size())
	}
	if err == nil {
		err = signature.CheckExternal()
	}
	if err != nil {
		return onnx.Signature{}, 0, f.refused(found, err)
	}
	external := map[string]bool{found + dataSuffix: true}
	for _, location := range signature.External {
		external[path.Join(path.Dir(found), location)] = true
	}
	size := info.Size()
	for name := range external {
		info, err := f.stat(name)
		switch {
		case err == nil:
			size += info.Size()
		case name != found+dataSuffix || !errors.Is(err, fs.ErrNotExist):
			return onnx.Signature{}, 0, err
		}
	}
	return signature, services.Bytes(size), nil
}

// Fits returns an error that names the graph unless its signature satisfies the
// contract.
func (f Folder) Fits(name string, contract onnx.Contract, signature onnx.Signature) error {
	if err := contract.Fits(signature); err != nil {
		return fmt.Errorf("%s/%s: %w", f.Name, name, err)
	}
	return nil
}

// dataSuffix is the suffix of the files in which Optimum and transformers.js store the
// weights of large graphs.
const dataSuffix = "_data"

// locate returns a graph and its size.
func (f Folder) locate(name string) (found string, bytes services.Bytes, err error) {
	for _, candidate := range []string{name, path.Join(path.Dir(name), "onnx", path.Base(name))} {
		info, err := f.stat(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		size := info.Size()
		external, err := f.stat(candidate + dataSuffix)
		switch {
		case err == nil:
			size += external.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return "", 0, err
		}
		return candidate, services.Bytes(size), nil
	}
	return "", 0, fmt.Errorf("%s/%s, nor %s/onnx/%s: %w", f.Name, name, f.Name, name, fs.ErrNotExist)
}

// precisions are the suffixes of graph names that Optimum and transformers.js use, in
// order of preference: float32 as exported, then the closest to it.
var precisions = []string{"", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4"}

// AnyPrecision returns the first existing name of a graph in the order of precisions,
// such as model.onnx, model_fp16.onnx or model_quantized.onnx, or the name itself if
// there is none.
func (f Folder) AnyPrecision(name string) string {
	stem := strings.TrimSuffix(name, ".onnx")
	for _, precision := range precisions {
		candidate := stem + precision + ".onnx"
		if f.Has(candidate) {
			return candidate
		}
	}
	return name
}

// Has reports whether the folder has an entry with the name of the graph, whether or
// not it can be opened.
func (f Folder) Has(name string) bool {
	_, _, err := f.locate(name)
	return !errors.Is(err, fs.ErrNotExist)
}
