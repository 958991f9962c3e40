package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// packages are those that the exporters import, as pip and as Python name them.
var packages = []string{"torch", "onnx", "numpy"}

// leastPython is the oldest version of Python that the exporters run on.
const leastPython = "3.9"

// python is an interpreter.
type python struct {
	path string
	// missing are the packages that it lacks.
	missing []string
}

// probe prints the version, whether environments can be made, and the packages that are
// missing.
const probe = `
import importlib.util as u, sys
has = lambda name: u.find_spec(name) is not None
missing = [n for n in sys.argv[1].split() if not has(n)]
print("%d.%d" % sys.version_info[:2], sys.version_info[:2] >= tuple(map(int, sys.argv[2].split("."))), has("venv") and has("ensurepip"))
print(*missing)
`

// findPython returns the interpreter with the given path, that of an environment which an
// earlier import has made, or python3.
func findPython(ctx context.Context, path, environment string) (python, error) {
	if path == "" {
		path = "python3"
		if made := interpreter(environment); isFile(made) {
			if p, err := askPython(ctx, made); err == nil && len(p.missing) == 0 {
				return p, nil
			}
		}
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return python{}, services.Faultf(services.KindUnavailable,
			"%s was not found: an import needs Python %s or later with venv (Debian: apt install python3-venv), in the path "+
				"or named with --python",
			path, leastPython)
	}
	return askPython(ctx, found)
}

// interpreter returns the path of the interpreter of an environment.
func interpreter(environment string) string { return filepath.Join(environment, "bin", "python") }

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// askPython runs an interpreter to learn what it has.
func askPython(ctx context.Context, path string) (python, error) {
	cmd := exec.CommandContext(ctx, path, "-c", probe, strings.Join(packages, " "), leastPython) //nolint:gosec // the operator's
	var said, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaint
	if err := cmd.Run(); err != nil {
		return python{}, services.Faultf(services.KindUnavailable, "%s does not run: %v: %.500s", path, err,
			strings.TrimSpace(complaint.String()))
	}
	first, second, _ := strings.Cut(said.String(), "\n")
	facts := strings.Fields(first)
	if len(facts) != 3 {
		return python{}, services.Faultf(services.KindUnavailable, "%s is not an interpreter of Python", path)
	}
	p := python{path: path, missing: strings.Fields(second)}
	switch {
	case facts[1] != "True":
		return python{}, services.Faultf(services.KindUnavailable, "%s is Python %s; an import needs %s or later", path, facts[0], leastPython)
	case len(p.missing) > 0 && facts[2] != "True":
		return python{}, services.Faultf(services.KindUnavailable,
			"%s lacks %s, and no environment can be made with it: install its modules venv and ensurepip "+
				"(Debian: apt install python3-venv)",
			path, strings.Join(p.missing, ", "))
	}
	return p, nil
}

// makeEnvironment makes the environment and installs the packages. What is there already is
// used.
func (p *Plan) makeEnvironment(ctx context.Context, log io.Writer) error {
	if len(p.missing) == 0 {
		return nil
	}
	if !isFile(interpreter(p.environment)) {
		if err := run(ctx, log, "", p.python.path, "-m", "venv", p.environment); err != nil {
			return fmt.Errorf("make a Python environment: %w", err)
		}
	}
	install := append([]string{"-m", "pip", "install", "--disable-pip-version-check"}, packages...)
	if err := run(ctx, log, "", interpreter(p.environment), install...); err != nil {
		return fmt.Errorf("install the packages of the environment; the same command tries again: %w", err)
	}
	made, err := askPython(ctx, interpreter(p.environment))
	if err != nil {
		return err
	}
	if len(made.missing) > 0 {
		return fmt.Errorf("the environment lacks %s after pip has ended", strings.Join(made.missing, ", "))
	}
	p.python, p.missing = made, nil
	return nil
}

// lastBytes is how much of the output of a program is part of its error.
const lastBytes = 2000

// run runs a program in a folder. Its output goes to log, and the end of it into the error.
func run(ctx context.Context, log io.Writer, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // of the operator's own environment
	last := &tail{}
	cmd.Dir, cmd.Stdout = dir, io.MultiWriter(log, last)
	cmd.Stderr = cmd.Stdout
	cmd.Env = append(cmd.Environ(), "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1")
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err), errors.New(strings.TrimSpace(string(last.bytes))))
}

// tail keeps the last bytes that are written to it.
type tail struct{ bytes []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.bytes = append(t.bytes, p...)
	if more := len(t.bytes) - lastBytes; more > 0 {
		t.bytes = t.bytes[more:]
	}
	return len(p), nil
}
