package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// switchText is the code that switches mutants on, added to the package in the overlay.
//
//go:embed switch.go.txt
var switchText string

// built are the test binaries of a package with all its mutants.
type built struct {
	dir      string
	mutants  []mutant
	binaries []binary
}

// binary is the test binary of one package; its tests run in the package's directory.
type binary struct {
	name, path, dir string
}

// build compiles the mutants of a package into the tests of the packages that test it.
// What does not compile is left out.
func build(ctx context.Context, dir string, p *program, tested []string, known equivalents) (*built, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	b := &built{dir: dir}
	overlay, err := b.compile(ctx, p, known)
	if err != nil {
		return nil, err
	}
	for i, name := range tested {
		one := binary{name: name, path: filepath.Join(dir, fmt.Sprintf("%d.test", i))}
		if one.dir, err = filepath.Abs(name); err != nil {
			return nil, err
		}
		if _, err := command(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", one.path, "./"+name); err != nil {
			return nil, err
		}
		if _, err := os.Stat(one.path); err == nil { // there is none for a package without tests
			b.binaries = append(b.binaries, one)
		}
	}
	return b, nil
}

// compile returns the name of an overlay with which the package compiles.
func (b *built) compile(ctx context.Context, p *program, known equivalents) (string, error) {
	broken := make(map[string]bool)
	for {
		texts, mutants := plant(p, func(m mutant) bool {
			return broken[place(m.file, m.line)] || known.has(m)
		})
		b.mutants = mutants
		overlay, err := b.overlay(p, texts)
		if err != nil {
			return "", err
		}
		_, err = command(ctx, "go", "build", "-gcflags=-e", "-overlay", overlay, "-o", os.DevNull, p.path)
		if err == nil {
			return overlay, nil
		}
		found := brokenLines(err.Error())
		before := len(broken)
		for _, line := range found {
			broken[line] = true
		}
		if len(broken) == before {
			return "", fmt.Errorf("build the mutants: %w", err)
		}
	}
}

var brokenLine = regexp.MustCompile(`(?m)(?:^|\s)([\w./-]+\.go):(\d+):`)

// brokenLines returns the places in the compiler's messages.
func brokenLines(messages string) (places []string) {
	for _, match := range brokenLine.FindAllStringSubmatch(messages, -1) {
		line, _ := strconv.Atoi(match[2])
		places = append(places, place(match[1], line))
	}
	return places
}

// place names a line in a file, whose name may be relative to the working directory.
func place(file string, line int) string {
	if path, err := filepath.Abs(file); err == nil {
		file = path
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// overlay writes the changed files and returns the file that names them.
func (b *built) overlay(p *program, texts map[string]string) (string, error) {
	texts[filepath.Join(p.dir, "zz_mutants.go")] = fmt.Sprintf("package %s\n\n%s\nconst mutantCount = %d\n", p.name,
		switchText, len(b.mutants)+1)
	replace := make(map[string]string)
	i := 0
	for path, text := range texts {
		i++
		name := filepath.Join(b.dir, fmt.Sprintf("%d.go", i))
		// The compiler's messages, and stacks, have the place in the original.
		if err := os.WriteFile(name, []byte("//line "+path+":1\n"+text), 0o644); err != nil {
			return "", err
		}
		replace[path] = name
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(b.dir, "overlay.json")
	return name, os.WriteFile(name, raw, 0o644)
}
