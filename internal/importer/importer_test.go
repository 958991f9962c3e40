package importer

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/hub"
	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
)

// fake writes a program that answers as an interpreter would, and returns its path. answer is
// what it prints to the probe; other calls append their arguments to the file calls beside it.
func fake(t *testing.T, answer string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "python3")
	text := "#!/bin/sh\nif [ \"$1\" = -c ]; then printf '" + answer + "'; exit 0; fi\necho \"$@\" >> \"$(dirname \"$0\")/calls\"\n" +
		"if [ \"$2\" = venv ]; then mkdir -p \"$3/bin\"; cp \"$0\" \"$3/bin/python\"; fi\nif [ \"$2\" = pip ]; then echo no network; exit 1; fi\n"
	require.NoError(t, os.WriteFile(name, []byte(text), 0o755)) //nolint:gosec // it is a program
	return name
}

// checkpoint returns a folder.
func checkpoint(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkpoint")
	require.NoError(t, os.MkdirAll(dir, 0o750))
	return dir
}

func TestWrongImportsAreExplained(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("someone/other", "a", map[string]string{"config.json": "{}"})
	client := hub.NewClient(hub.Settings{Endpoint: h.URL})
	t.Cleanup(client.Close)
	noVenv := fake(t, "3.11 True False\\ntorch onnx\\n")
	good := Request{Kind: "audioldm", Sources: []string{checkpoint(t)}, Name: "mine", Python: fake(t, "3.11 True True\\n\\n")}
	for says, change := range map[string]func(*Request){
		`kind "whisper" is unknown; available: audioldm, gama`:             func(r *Request) { r.Kind = "whisper" },
		"sources must be CHECKPOINT, got 2 arguments":                      func(r *Request) { r.Sources = []string{"a", "b"} },
		`name "../x" cannot be the name of a model`:                        func(r *Request) { r.Name = "../x" },
		`precision must be fp32, got "q8"`:                                 func(r *Request) { r.Precision = "q8" },
		"checkpoint /absent/folder does not exist":                         func(r *Request) { r.Sources = []string{"/absent/folder"} },
		"source someone/none does not exist at " + h.URL:                   func(r *Request) { r.Sources = []string{"someone/none"} },
		"source someone/other has no checkpoint of the kind audioldm":      func(r *Request) { r.Sources = []string{"someone/other"} },
		"absent-python was not found: an import needs Python 3.9 or later": func(r *Request) { r.Python = "absent-python" },
		"is Python 3.6; an import needs 3.9 or later":                      func(r *Request) { r.Python = fake(t, "3.6 False True\\n\\n") },
		"lacks torch, onnx, and no environment can be made with it":        func(r *Request) { r.Python = noVenv },
		"is not an interpreter of Python":                                  func(r *Request) { r.Python = fake(t, "hello") },
		"does not run: ":                                                   func(r *Request) { r.Python = "/bin/false" },
	} {
		request := good
		change(&request)
		_, err := Prepare(t.Context(), request, client, t.TempDir(), t.TempDir())
		require.ErrorContains(t, err, says)
	}
	_, err := Prepare(t.Context(), good, client, t.TempDir(), t.TempDir())
	require.NoError(t, err)
}

// TestWhatWillBeFetchedIsSaid plans the import of a repository without the packages.
func TestWhatWillBeFetchedIsSaid(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("someone/ldm", "a", map[string]string{
		"model_index.json": "{}", "README.md": "no", "unet/config.json": "{}",
		"unet/diffusion_pytorch_model.safetensors": strings.Repeat("x", 3<<20),
		"unet/diffusion_pytorch_model.bin":         "the same", "unet/diffusion_pytorch_model.fp16.safetensors": "the same",
		"vae/weights.bin":               "w",
		"feature_extractor/config.json": "no", "tokenizer/merges.txt": "x",
	})
	client := hub.NewClient(hub.Settings{Endpoint: h.URL})
	t.Cleanup(client.Close)
	environment, work := filepath.Join(t.TempDir(), "python"), filepath.Join(t.TempDir(), "work")
	python := fake(t, "3.11 True True\\ntorch onnx\\n")
	request := Request{Kind: "audioldm", Sources: []string{"someone/ldm"}, Name: "mine", Python: python}
	plan, err := Prepare(t.Context(), request, client, environment, work)
	require.NoError(t, err)
	require.True(t, plan.Fetches())
	require.Contains(t, plan.String(), "make a Python environment in "+environment+" with "+python)
	require.Contains(t, plan.String(), "fetch its packages with pip: torch, onnx\n")
	require.Contains(t, plan.String(), "download 5 files of 3.0 MiB, someone/ldm, revision "+strings.Repeat("a", 40)+", licence: apache-2.0\n")
	require.NoDirExists(t, environment, "nothing is made before it is agreed to")
	require.Zero(t, h.Sent("unet/config.json"))

	var log bytes.Buffer
	_, _, err = plan.Run(t.Context(), &log, func(string, int64, int64) {})
	require.ErrorContains(t, err, "install the packages of the environment; the same command tries again")
	require.ErrorContains(t, err, "no network")
	calls, err := os.ReadFile(filepath.Join(environment, "bin", "calls"))
	require.NoError(t, err)
	require.Contains(t, string(calls), "-m pip install --disable-pip-version-check torch onnx numpy")
}

// TestARepositoryIsDownloadedForTheExporter has an interpreter that makes nothing.
func TestARepositoryIsDownloadedForTheExporter(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("someone/ldm", "a", map[string]string{"model_index.json": "{}", "unet/config.json": "{}"})
	client := hub.NewClient(hub.Settings{Endpoint: h.URL})
	t.Cleanup(client.Close)
	work := filepath.Join(t.TempDir(), "work")
	request := Request{Kind: "audioldm", Sources: []string{"someone/ldm"}, Name: "mine", Python: fake(t, "3.11 True True\\n\\n")}
	plan, err := Prepare(t.Context(), request, client, t.TempDir(), work)
	require.NoError(t, err)
	require.NotContains(t, plan.String(), "environment in")
	var log bytes.Buffer
	dir, manifest, err := plan.Run(t.Context(), &log, func(string, int64, int64) {})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(work, "models", "mine"), dir)
	require.Equal(t, "someone/ldm", manifest.Source)
	require.Equal(t, h.URL, manifest.Endpoint)
	calls, err := os.ReadFile(filepath.Join(filepath.Dir(request.Python), "calls"))
	require.NoError(t, err)
	from := filepath.Join(work, "checkpoint-"+strings.Repeat("a", 40))
	require.Equal(t, filepath.Join(work, "exporter", "audioldm.py")+" --no-compare "+from+" "+dir+"\n", string(calls))
	require.FileExists(t, filepath.Join(from, "unet", "config.json"))
	require.FileExists(t, filepath.Join(work, "exporter", "audioldm_parts", "unet.py"))
	require.FileExists(t, filepath.Join(work, "exporter", "gama_parts", "run.mjs"))
}

// TestThePackagesAreFound asks a real interpreter.
func TestThePackagesAreFound(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	p, err := askPython(context.Background(), path)
	require.NoError(t, err)
	for _, name := range packages {
		script := "import importlib.util as u, sys; sys.exit(u.find_spec('" + name + "') is None)"
		has := exec.CommandContext(t.Context(), path, "-c", script).Run() == nil
		require.Equal(t, !has, strings.Contains(" "+strings.Join(p.missing, " ")+" ", " "+name+" "), name)
	}
}
