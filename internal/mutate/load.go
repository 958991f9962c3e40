package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is a package with its types.
type program struct {
	// path is the import path, name that of the package clause, dir absolute.
	path, name, dir string
	set             *token.FileSet
	info            *types.Info
	files           []*file
}

// file is one file of a program. path is absolute, name below the working directory.
type file struct {
	path, name string
	text       []byte
	tree       *ast.File
}

// listed is what go list prints of a package.
type listed struct {
	Dir, ImportPath, Name, Export string
	GoFiles                       []string
	DepOnly                       bool
}

// load parses a package and determines its types from the export data of what it imports.
// Generated files and files with cgo are not loaded.
func load(ctx context.Context, directory string) (*program, error) {
	out, err := command(ctx, "go", "list", "-export", "-deps", "-json=Dir,ImportPath,Name,Export,GoFiles,DepOnly", "./"+directory)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	var target listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("decode the output of go list: %w", err)
		}
		exports[one.ImportPath] = one.Export
		if !one.DepOnly {
			target = one
		}
	}
	p := &program{path: target.ImportPath, name: target.Name, dir: target.Dir, set: token.NewFileSet()}
	if err := p.parse(target.GoFiles); err != nil {
		return nil, err
	}
	p.check(exports)
	return p, nil
}

func (p *program) parse(names []string) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, name := range names {
		f := &file{path: filepath.Join(p.dir, name)}
		if f.text, err = os.ReadFile(f.path); err != nil {
			return err
		}
		if f.tree, err = parser.ParseFile(p.set, f.path, f.text, parser.ParseComments); err != nil {
			return err
		}
		if f.name, err = filepath.Rel(root, f.path); err != nil {
			return err
		}
		f.name = filepath.ToSlash(f.name)
		p.files = append(p.files, f)
	}
	return nil
}

// check fills in the types. What has none, because a file with cgo is missing, is not mutated.
func (p *program) check(exports map[string]string) {
	p.info = &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	config := types.Config{
		Error: func(error) {},
		Importer: importer.ForCompiler(p.set, "gc", func(path string) (io.ReadCloser, error) {
			if exports[path] == "" {
				return nil, fmt.Errorf("no export data of %s", path)
			}
			return os.Open(exports[path])
		}),
	}
	var trees []*ast.File
	for _, f := range p.files {
		trees = append(trees, f.tree)
	}
	config.Check(p.path, p.set, trees, p.info) //nolint:errcheck // passed to Error
}

// command returns the output of a command; its error has what it printed.
func command(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(problems.String()))
	}
	return out, nil
}
