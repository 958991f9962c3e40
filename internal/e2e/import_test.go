package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestACheckpointIsImported exports a small checkpoint with random weights and generates a
// sound with it.
func TestACheckpointIsImported(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil || exec.CommandContext(t.Context(), python, "-c", "import torch, onnx, numpy").Run() != nil {
		t.Skip("there is no python3 with torch and onnx")
	}
	dir := t.TempDir()
	checkpoint := filepath.Join(dir, "checkpoint")
	out, err := exec.CommandContext(t.Context(), python, "models/export/audioldm.py", "--random", "nano", checkpoint).CombinedOutput()
	require.NoError(t, err, string(out))
	data := filepath.Join(dir, "data")
	out, err = runProgram(t, "import", "audioldm", checkpoint, "--as", "imported", "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "use "+python+", which has the packages: nothing is installed")
	require.Contains(t, string(out), "imported imported: ")
	verified, err := runProgram(t, "models", "verify", "imported", "--data-dir", data).CombinedOutput()
	require.NoError(t, err, string(verified))
	s := start(t, "--data-dir", data)
	_, sound := s.generate(t, `{"model":"imported","prompt":"a bell","audio_length_in_s":0.5,"num_inference_steps":2}`)
	require.NotEmpty(t, sound)
}

// TestAnImportThatCannotBe has no Python, nobody to ask, and no checkpoint.
func TestAnImportThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lacking := filepath.Join(dir, "python3")
	require.NoError(t, os.WriteFile(lacking, []byte("#!/bin/sh\nprintf '3.12 True True\\ntorch\\n'\n"), 0o755)) //nolint:gosec // a program
	checkpoint := t.TempDir()
	for says, args := range map[string][]string{
		"python3 was not found: an import needs Python 3.9 or later with venv": {"audioldm", checkpoint, "--as", "x"},
		"KIND must be audioldm or gama":                                        {"whisper", checkpoint, "--as", "x"},
		"--as NAME is missing":                                                 {"audioldm", checkpoint},
		"sources must be BASE TRAINED":                                         {"gama", checkpoint, "--as", "x"},
		"--yes is missing":                                                     {"audioldm", checkpoint, "--as", "x", "--python", lacking},
	} {
		cmd := runProgram(t, append([]string{"import", "--data-dir", filepath.Join(dir, "data")}, args...)...)
		cmd.Env = append(os.Environ(), "PATH=/nowhere")
		out, err := cmd.CombinedOutput()
		require.Error(t, err, says)
		require.Contains(t, string(out), says)
	}
	require.NoDirExists(t, filepath.Join(dir, "data", "python"))
}
