package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// suite are the tests that pass without a mutant, and which mutants each reaches.
type suite struct {
	dir   string
	tests []test
	// left are the tests that are not used, with the reason.
	left []string
}

// test is one test function.
type test struct {
	binary  binary
	name    string
	took    time.Duration
	reached map[int]bool
}

// suite runs every test once by itself.
func (b *built) suite(ctx context.Context, longest time.Duration) (*suite, error) {
	s := &suite{dir: b.dir}
	for _, one := range b.binaries {
		out, err := command(ctx, one.path, "-test.list", ".")
		if err != nil {
			return nil, err
		}
		for _, name := range strings.Fields(string(out)) {
			if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") && !strings.HasPrefix(name, "Example") {
				continue
			}
			t := test{binary: one, name: name}
			if problem := t.record(ctx, filepath.Join(b.dir, "reached"), longest); problem != "" {
				s.left = append(s.left, name+" "+problem)
				continue
			}
			s.tests = append(s.tests, t)
		}
	}
	slices.SortFunc(s.tests, func(a, b test) int { return int(a.took - b.took) })
	return s, ctx.Err()
}

// record runs a test without a mutant, and returns why it cannot be used.
func (t *test) record(ctx context.Context, file string, longest time.Duration) string {
	if err := os.RemoveAll(file); err != nil {
		return err.Error()
	}
	began := time.Now()
	passed, output := run(ctx, t.binary, []string{t.name}, "MUTANT_RECORD="+file, longest)
	t.took = time.Since(began)
	if t.took > longest {
		return fmt.Sprintf("takes longer than %s and is not used", longest)
	}
	if !passed {
		return "fails without a mutant and is not used: " + lastLines(output)
	}
	t.reached = make(map[int]bool)
	raw, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return ""
	} else if err != nil {
		return err.Error()
	}
	for _, field := range strings.Fields(string(raw)) {
		if id, err := strconv.Atoi(field); err == nil {
			t.reached[id] = true
		}
	}
	return ""
}

func lastLines(output string) string {
	return output[max(0, len(output)-400):]
}

// reaching returns the tests that reach a mutant, the fastest first.
func (s *suite) reaching(id int) (tests []test) {
	for _, t := range s.tests {
		if t.reached[id] {
			tests = append(tests, t)
		}
	}
	return tests
}

// detects reports whether a test fails, or does not end, with a mutant. Fast tests run first.
func (s *suite) detects(ctx context.Context, id int) bool {
	const together = time.Second
	var group []test
	var took time.Duration
	for _, t := range s.reaching(id) {
		if len(group) > 0 && (took+t.took > together || t.binary != group[0].binary) {
			if s.fails(ctx, group, took, id) {
				return true
			}
			group, took = nil, 0
		}
		group, took = append(group, t), took+t.took
	}
	return len(group) > 0 && s.fails(ctx, group, took, id)
}

func (s *suite) fails(ctx context.Context, group []test, took time.Duration, id int) bool {
	names := make([]string, len(group))
	for i, t := range group {
		names[i] = t.name
	}
	passed, _ := run(ctx, group[0].binary, names, fmt.Sprintf("MUTANT_ACTIVE=%d", id), 5*took+15*time.Second) // other work may slow it down
	return !passed
}

// run runs tests and reports whether they pass within a time. A mutant may use memory and
// disk without end, so both are limited.
func run(ctx context.Context, b binary, names []string, variable string, limit time.Duration) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const limited = `ulimit -v 12582912 -f 4194304 2>/dev/null; exec "$0" "$@"`
	cmd := exec.CommandContext(ctx, "sh", "-c", limited, b.path,
		"-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$")
	temp, err := os.MkdirTemp(filepath.Dir(b.path), "run")
	if err != nil {
		return false, err.Error()
	}
	defer os.RemoveAll(temp)
	cmd.Dir = b.dir
	cmd.Env = append(cmd.Environ(), variable, "TMPDIR="+temp)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	// The processes that a test started end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	return err == nil, output.String()
}
