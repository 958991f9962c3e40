package arch

import (
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/grym-synth/grym-synth"

var update = flag.Bool("update", false, "update dependencies.txt")

// arrows are the packages of this module that a package may import; all others are
// forbidden. Names are relative to the module, "." is main; "services/*" is every package
// right below services.
var arrows = map[string][]string{
	".":            {"internal/app", "internal/cli"},
	"internal/app": {"*"},
	"api/pipelines": {"api/gen", "api/jobs", "api/problem", "api/web", "orchestrator/jobs", "orchestrator/pipelines",
		"orchestrator/records", "services"},
	"api": {"api/audio", "api/chat", "api/console", "api/gen", "api/jobs", "api/manage", "api/problem", "api/web",
		"internal/access", "internal/lifecycle", "services", "services/tasks", "api/patterns", "api/pipelines", "orchestrator/audit"},
	"api/audio": {"api/gen", "api/problem", "api/web", "orchestrator/library", "orchestrator/records", "services",
		"services/tasks"},
	"api/chat":                {"api/gen", "api/web", "services", "services/tasks"},
	"api/console":             {"api/problem", "internal/access"},
	"api/console/fetchassets": {"internal/npm"},
	"api/gen":                 {},
	"api/jobs": {"api/gen", "api/problem", "api/web", "orchestrator/jobs", "services", "services/tasks",
		"orchestrator/batches"},
	"api/manage": {"api/gen", "api/problem", "api/web", "hardening", "hardening/performance", "internal/access", "orchestrator",
		"orchestrator/audit", "orchestrator/jobs", "orchestrator/records", "resources", "services"},
	"api/patterns":          {"api/gen", "api/web", "services", "services/tasks"},
	"api/problem":           {"services"},
	"api/web":               {"api/gen", "api/problem", "internal/publicaddr", "orchestrator", "orchestrator/library", "services"},
	"hardening":             {"internal/lifecycle", "services"},
	"hardening/performance": {"internal/lifecycle", "services"},
	"hardening/tracing":     {"internal/lifecycle", "services"},
	"internal/access":       {"internal/regular"},
	"internal/arch":         {},
	"internal/config": {"internal/regular", "api", "orchestrator", "orchestrator/jobs", "orchestrator/records/natsstore",
		"orchestrator/jobs/webhook", "hardening", "hardening/performance", "hardening/tracing", "internal/access", "resources",
		"services", "api/console", "services/audiofile", "services/module", "services/modelstore/hub", "services/onnx",
		"internal/modules", "orchestrator/pipelines", "orchestrator/batches"},
	"internal/cli":                     {"internal/access", "services", "services/tasks"},
	"internal/datadir":                 {},
	"internal/e2e":                     {"services/modelstore/hub/hubtest"}, // tests only; it knows the binary, not its packages
	"internal/importer":                {"models/export", "services", "services/modelstore/hub"},
	"internal/lifecycle":               {},
	"internal/lifecycle/lifecycletest": {"internal/lifecycle"}, // for tests only
	"internal/modules":                 {"services/*"},
	"internal/mutate":                  {},
	"internal/npm":                     {},
	"internal/regular":                 {},
	"internal/publicaddr":              {},
	"internal/version":                 {},
	"models":                           {},
	"models/export":                    {},
	"orchestrator":                     {"internal/lifecycle", "services", "services/schema", "services/tasks"},
	"orchestrator/audit":               {"orchestrator/records"},
	"orchestrator/batches": {"internal/lifecycle", "orchestrator/jobs", "orchestrator/library", "orchestrator/records",
		"services"},
	"orchestrator/conversations":            {"orchestrator/library", "orchestrator/records", "services"},
	"orchestrator/jobs":                     {"internal/lifecycle", "orchestrator/library", "orchestrator/records", "services"},
	"orchestrator/pipelines":                {"orchestrator/library", "orchestrator/records", "services", "services/schema", "services/tasks"},
	"orchestrator/library":                  {"orchestrator/records", "services"},
	"orchestrator/records":                  {"internal/lifecycle", "orchestrator/records/ledger", "services"},
	"orchestrator/records/ledger":           {},
	"orchestrator/records/natsstore":        {"internal/lifecycle", "orchestrator/records", "services"},
	"orchestrator/records/recordstest":      {"orchestrator/records", "services"}, // for tests only
	"orchestrator/renditions":               {"services"},
	"orchestrator/jobs/webhook":             {"internal/publicaddr", "internal/regular", "services"},
	"resources":                             {"internal/lifecycle", "services"},
	"resources/memprobe":                    {"services"},
	"services":                              {},
	"services/audiofile":                    {"services", "services/audiofile/xiph"},
	"services/audiofile/xiph":               {},
	"services/audiofile/xiph/fetchdecoders": {"internal/npm"},
	"services/analysis":                     {"services/dsp"},
	"services/audioprocessor": {"services", "services/analysis", "services/editing", "services/tasks", "services/audiofile",
		"services/dsp", "services/module", "services/drawing"},
	"services/audioldm": {"services", "services/tasks", "services/audiofile", "services/dsp", "services/module",
		"services/limits", "services/modelstore", "services/onnx", "services/tokenizer"},
	"services/clap": {"services", "services/tasks", "services/audiofile", "services/dsp", "services/module", "services/limits",
		"services/modelstore", "services/onnx", "services/tokenizer"},
	"services/decoding": {"services", "services/onnx"},
	"services/drawing":  {"services/analysis", "services/dsp"},
	"services/editing":  {"services/analysis", "services/dsp"},
	"services/gama": {"services", "services/tasks", "services/audiofile", "services/decoding", "services/dsp", "services/module",
		"services/limits", "services/modelstore", "services/onnx", "services/tokenizer"},
	"services/limits":      {},
	"services/tasks":       {"services", "services/analysis"},
	"services/schema":      {"services"},
	"services/servicetest": {"services", "services/schema"}, // for tests only
	"services/patterns": {"orchestrator/records", "services", "services/audiofile", "services/dsp", "services/module",
		"services/modelstore", "services/patterns/index", "services/tasks"},
	"services/patterns/index": {},
	"services/module": {"orchestrator/records", "services", "services/audiofile", "services/modelstore",
		"services/modelstore/hub", "services/onnx"},
	"services/tokenizer":              {"services/limits"},
	"services/dsp":                    {},
	"services/modelstore":             {"internal/regular", "services", "services/limits", "services/onnx"},
	"services/modelhub":               {"services", "services/module", "services/modelstore", "services/modelstore/hub", "services/tasks"},
	"services/modelstore/hub":         {"internal/regular", "services", "services/limits"},
	"services/modelstore/hub/hubtest": {},                                                   // for tests only
	"services/modelstore/modeltest":   {"services", "services/modelstore", "services/onnx"}, // for tests only
	"services/ngram":                  {},
	"services/onnx":                   {"internal/regular", "services"},
	"services/onnx/fetchlibrary":      {},
	"services/whisper": {"services", "services/tasks", "services/audiofile", "services/decoding", "services/dsp",
		"services/module", "services/limits", "services/modelstore", "services/onnx", "services/tokenizer"},
	"services/wav2vec2": {"services", "services/tasks", "services/audiofile", "services/dsp", "services/module",
		"services/limits", "services/modelstore", "services/ngram", "services/onnx"},
}

// owners are third-party packages that only some packages may import, with the reason.
var owners = map[string]struct {
	packages []string
	why      string
}{
	"github.com/yalue/onnxruntime_go":    {[]string{"services/onnx"}, "native memory and cancellation are handled in one place"},
	"github.com/failsafe-go/failsafe-go": {[]string{"hardening"}, "policies are composed in one place"},
	"github.com/nats-io":                 {[]string{"orchestrator/records/natsstore"}, "the store is one adapter behind a port"},
	"github.com/go-chi/chi/v5":           {[]string{"api", "api/gen"}, "HTTP stays in api"},
	"net/http": {[]string{"api", "api/audio", "api/chat", "api/console", "api/gen", "api/jobs", "api/manage", "api/patterns",
		"api/pipelines", "api/problem", "api/web", "internal/cli", "orchestrator/jobs/webhook", "services/modelstore/hub",
		"services/modelstore/hub/hubtest"}, "HTTP stays in api; commands, webhooks and pulls are clients"},
	"github.com/prometheus/client_golang/": {[]string{"internal/app", "hardening", "hardening/performance", "hardening/tracing", "resources"},
		"metrics are defined where their values arise, and served by internal/app"},
	"go.opentelemetry.io/otel":   {[]string{"hardening/tracing"}, "other packages use services.Tracer"},
	"github.com/knadh/koanf":     {[]string{"internal/config"}, "settings are loaded in one place"},
	"github.com/santhosh-tekuri": {[]string{"services/schema"}, "its texts are translated in one place"},
	"github.com/spf13":           {[]string{"internal/cli"}, "the command line is parsed in one place"},
	"cel.dev/":                   {[]string{"orchestrator/pipelines"}, "expressions are compiled, bounded and explained in one place"},
	"github.com/go-audio":        {[]string{"services/audiofile"}, "its pitfalls are handled in one place"},
	"github.com/mewkiz/flac":     {[]string{"services/audiofile"}, "decoders of untrusted data are isolated in one place"},
	"github.com/tetratelabs":     {[]string{"services/audiofile/xiph"}, "decoders of untrusted data are isolated in one place"},
	"golang.org/x/image":         {[]string{"services/drawing"}, "text is drawn in one place"},
}

type listed struct {
	ImportPath, Dir      string
	Imports, TestImports []string
	GoFiles, CgoFiles    []string
}

// packages returns the packages of this module by name.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	found := make(map[string]listed)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		found[relative(p.ImportPath)] = p
	}
}

func relative(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestImportsFollowTheArrows(t *testing.T) {
	t.Parallel()
	for name, p := range packages(t) {
		allowed, ok := arrows[name]
		if !ok {
			t.Errorf("package %s is not in the table of arrows; add it with what it may import", name)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module) && !allows(allowed, relative(imported)) {
				t.Errorf("%s imports %s; it may import %v", name, relative(imported), allowed)
			}
		}
	}
}

// allows reports whether a row of the table has a package.
func allows(row []string, name string) bool {
	return slices.ContainsFunc(row, func(pattern string) bool {
		matched, _ := path.Match(pattern, name) // the patterns are ours
		return matched || pattern == "*"
	})
}

func TestForeignPackagesHaveOwners(t *testing.T) {
	t.Parallel()
	for name, p := range packages(t) {
		for _, imported := range p.Imports {
			for prefix, owner := range owners {
				if (imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")) && !slices.Contains(owner.packages, name) {
					t.Errorf("%s imports %s, which belongs to %v: %s", name, imported, owner.packages, owner.why)
				}
			}
		}
	}
}

func TestEnvironmentIsReadWhereSettingsAreLoaded(t *testing.T) {
	t.Parallel()
	eachFile(t, func(name string, file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "Environ"},
				selector.Sel.Name) && name != "internal/config" {
				t.Errorf("%s calls os.%s; only internal/config reads the environment", name, selector.Sel.Name)
			}
			return true
		})
	})
}

// eachFile parses every file that is not generated, except tests.
func eachFile(t *testing.T, visit func(name string, file *ast.File)) {
	t.Helper()
	for name, p := range packages(t) {
		if name == "api/gen" {
			continue
		}
		for _, source := range slices.Concat(p.GoFiles, p.CgoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, source), nil, parser.ParseComments)
			require.NoError(t, err)
			visit(name, file)
		}
	}
}

func TestEveryPackageHasOneComment(t *testing.T) {
	t.Parallel()
	comments := make(map[string]int)
	for name := range packages(t) {
		comments[name] = 0
	}
	delete(comments, "api/gen") // its doc.go stands beside generated code
	eachFile(t, func(name string, file *ast.File) {
		if file.Doc != nil {
			comments[name]++
		}
	})
	for name, n := range comments {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want 1", name, n)
		}
	}
}

func TestExportedNamesHaveComments(t *testing.T) {
	t.Parallel()
	eachFile(t, func(name string, file *ast.File) {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && !obvious(d) {
					t.Errorf("%s: %s has no comment", name, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						t.Errorf("%s: type %s has no comment", name, s.Name.Name)
					}
					if s, ok := spec.(*ast.ValueSpec); ok && s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						t.Errorf("%s: %s has no comment", name, s.Names[0].Name)
					}
				}
			}
		}
	})
}

// obvious reports whether a method is documented by an interface.
func obvious(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && !name.IsExported() || slices.Contains([]string{"Error", "Unwrap"}, d.Name.Name)
}

// TestDependenciesAreThoseOnRecord makes a new dependency visible in a review.
func TestDependenciesAreThoseOnRecord(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", ".")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	modules := strings.Fields(strings.ReplaceAll(string(out), " ", "@"))
	slices.Sort(modules)
	got := strings.Join(slices.Compact(modules), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile("dependencies.txt", []byte(got), 0o644))
	}
	want, err := os.ReadFile("dependencies.txt")
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("dependencies.txt is missing; run go test ./internal/arch -update")
	}
	require.NoError(t, err)
	require.Equal(t, string(want), got, "the modules in the binary changed; look at the new ones, then run go test ./internal/arch -update")
}
