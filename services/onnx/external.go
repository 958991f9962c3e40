package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// ErrExternal is wrapped by errors about weights stored outside the model's folder.
var ErrExternal = errors.New("weights outside the model's folder")

// Limits on references to external files.
const (
	maxExternal = 1024
	maxDepth    = 32
)

// Field numbers of onnx.proto on the path to tensors and their external files.
const (
	modelFunction  = 25
	functionNode   = 7
	graphSparse    = 15
	nodeAttribute  = 5
	tensorExternal = 13
	sparseValues   = 1
	sparseIndices  = 2
	entryKey       = 1
	entryValue     = 2

	attributeTensor  = 5
	attributeGraph   = 6
	attributeTensors = 10
	attributeGraphs  = 11
	attributeSparse  = 22
	attributeSparses = 23
)

// CheckExternal returns an error that wraps ErrExternal unless every external file is
// named within the graph's folder.
func (s Signature) CheckExternal() error {
	for _, location := range s.External {
		if !filepath.IsLocal(filepath.FromSlash(location)) || strings.ContainsRune(location, 0) {
			return fmt.Errorf("it names the file %q for its weights: %w", location, ErrExternal)
		}
	}
	return nil
}

// openable returns an error unless every external file is a regular file inside the
// graph's folder. ONNX Runtime opens these files by itself.
func (s Signature) openable(path string) error {
	if len(s.External) == 0 {
		return nil
	}
	if path == "" {
		return fmt.Errorf("it names the file %q for its weights, and a graph in memory has no folder: %w", s.External[0], ErrExternal)
	}
	if err := s.CheckExternal(); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path) + "/.")
	if err != nil {
		return err
	}
	defer root.Close()
	for _, location := range s.External {
		file, err := regular.OpenIn(root, filepath.FromSlash(location))
		if err != nil {
			return err
		}
		_ = file.Close() // nothing has been read
	}
	return nil
}

// readLocation reads the file name from an entry of external_data.
func (m *message) readLocation(sig *Signature) error {
	var key, value string
	err := m.each(func(field int, m *message) (err error) {
		switch field {
		case entryKey:
			key, err = m.text()
		case entryValue:
			value, err = m.text()
		}
		return err
	})
	if err != nil || key != "location" || slices.Contains(sig.External, value) {
		return err
	}
	if len(sig.External) == maxExternal {
		return fmt.Errorf("weights in more than %d files", maxExternal)
	}
	sig.External = append(sig.External, value)
	return nil
}

// readTensor collects the external file of a tensor.
func (m *message) readTensor(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field != tensorExternal {
			return nil
		}
		return m.readLocation(sig)
	})
}

// readSparse collects the external files of a sparse tensor.
func (m *message) readSparse(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field != sparseValues && field != sparseIndices {
			return nil
		}
		return m.readTensor(sig)
	})
}

// readAttribute collects the external files of a node's attribute, which may be a
// constant or a subgraph such as a branch of an If.
func (m *message) readAttribute(sig *Signature, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("graphs inside one another, more than %d deep", maxDepth)
	}
	return m.each(func(field int, m *message) error {
		switch field {
		case attributeTensor, attributeTensors:
			return m.readTensor(sig)
		case attributeSparse, attributeSparses:
			return m.readSparse(sig)
		case attributeGraph, attributeGraphs:
			return m.readSubgraph(sig, depth+1)
		}
		return nil
	})
}

// readSubgraph collects the external files of a nested graph.
func (m *message) readSubgraph(sig *Signature, depth int) error {
	return m.each(func(field int, m *message) error {
		switch field {
		case graphInitializer:
			return m.readTensor(sig)
		case graphSparse:
			return m.readSparse(sig)
		case graphNode:
			return m.readAttributes(sig, depth)
		}
		return nil
	})
}

// readFunction collects the external files of a function's nodes.
func (m *message) readFunction(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field != functionNode {
			return nil
		}
		return m.readAttributes(sig, 0)
	})
}

func (m *message) readAttributes(sig *Signature, depth int) error {
	return m.each(func(field int, m *message) error {
		if field != nodeAttribute {
			return nil
		}
		return m.readAttribute(sig, depth)
	})
}
