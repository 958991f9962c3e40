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

// ErrExternal is wrapped when a graph keeps weights where they are not read.
var ErrExternal = errors.New("weights outside the model's folder")

// Bounds on what refers to files beside the graph.
const (
	maxExternal = 1024
	maxDepth    = 32
)

// Field numbers of onnx.proto that lead to tensors, and to the files that they
// are kept in.
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

// CheckExternal returns an error unless every file of the weights lies in the
// graph's folder or below it, by its name. The error wraps ErrExternal.
func (s Signature) CheckExternal() error {
	for _, location := range s.External {
		if !filepath.IsLocal(filepath.FromSlash(location)) || strings.ContainsRune(location, 0) {
			return fmt.Errorf("it names the file %q for its weights: %w", location, ErrExternal)
		}
	}
	return nil
}

// openable returns an error unless ONNX Runtime, which opens the files of the
// weights by itself, will find regular files inside the graph's folder.
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
		_ = file.Close() // nothing was read
	}
	return nil
}

// readLocation takes the file out of an entry of external_data.
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

// readTensor looks for the file of a tensor.
func (m *message) readTensor(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field != tensorExternal {
			return nil
		}
		return m.readLocation(sig)
	})
}

// readSparse looks for the files of a sparse tensor.
func (m *message) readSparse(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field != sparseValues && field != sparseIndices {
			return nil
		}
		return m.readTensor(sig)
	})
}

// readAttribute looks for files in an attribute of a node: a constant, or the
// branch of an If.
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

// readSubgraph looks for files in a graph inside the graph.
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

// readFunction looks for files in the nodes of a function.
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
