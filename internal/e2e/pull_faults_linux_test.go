package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
)

var pullMiB = flag.Int64("pull", 64, "MiB of the model whose pull is measured")

// pulls runs the command pull with an environment of its own.
type pulls struct {
	hub *hubtest.Hub
	dir string
}

// command returns the command; env comes last.
func (p pulls) command(t *testing.T, env string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := runProgram(t, append([]string{"pull", "--data-dir", p.dir}, args...)...)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+p.hub.URL, "HF_HUB_OFFLINE=", "HF_TOKEN=", "HOME="+p.dir, env)
	return cmd
}

// whole checks that a model has every file as the hub has it.
func (p pulls) whole(t *testing.T, model string) {
	t.Helper()
	out, err := runProgram(t, "models", "verify", model, "--data-dir", p.dir).CombinedOutput()
	require.NoError(t, err, string(out))
}

// TestAPullIsRightOrRefused runs the binary against a hub with faults: a model is there as it
// is published, or not at all.
func TestAPullIsRightOrRefused(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	speechRepo(t, h)
	gated := h.Add("someone/gated", "b", map[string]string{"config.json": "{}", "model.onnx": "x"})
	h.Change(func() { gated.Gated = true })
	p := pulls{h, t.TempDir()}
	refused := func(says, env string, args ...string) {
		t.Helper()
		out, err := p.command(t, env, args...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), says)
		require.NoDirExists(t, filepath.Join(p.dir, "models", "mine"))
	}
	refused("someone/gated is gated: accept its terms at", "", "someone/gated", "--as", "mine")
	refused("HF_HUB_OFFLINE is set", "HF_HUB_OFFLINE=1", "someone/speech", "--as", "mine")
	h.Change(func() { h.Wrong = 1 })
	refused("is not what the hub promises", "", "someone/speech", "--as", "mine")
	h.Change(func() { h.Wrong, h.Cut, h.Redirects, h.Token = 0, 1, true, "secret" })
	out, err := p.command(t, "HF_TOKEN=secret", "someone/gated", "--as", "open").CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = p.command(t, "HF_TOKEN=secret", "someone/speech", "--as", "mine").CombinedOutput()
	require.NoError(t, err, string(out))
	p.whole(t, "mine")
	require.Zero(t, h.Leaked(), "the token is for the hub only")

	before := h.Sent("onnx/model.onnx")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if out, err := p.command(t, "", "someone/speech", "--as", "shared").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	p.whole(t, "shared")
	info, err := os.Stat(filepath.Join(p.dir, "models", "shared", "onnx", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, info.Size(), h.Sent("onnx/model.onnx")-before, "three processes download it once")
}

// TestAPullToASmallDisk has no room, and then less than was free when the pull began.
func TestAPullToASmallDisk(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	repo := h.Add("someone/large", "a", map[string]string{"config.json": "{}"})
	huge := hubtest.NewHuge(24 << 20)
	h.Change(func() { repo.Huge = map[string]hubtest.Huge{"model.onnx": huge} })
	dir := smallDisk(t, 32)
	out, err := pulls{h, dir}.command(t, "", "someone/large").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "the model needs 24.0 MiB of disk space and 1.00 GiB stay free for jobs")
	require.Zero(t, h.Sent("model.onnx"))

	cmd := runProgram(t, "--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--config", writeSettings(t,
		"models: {dir: "+filepath.Join(dir, "models")+"}\nservices: {modelHub: {reserve: 0}}\n"))
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_OFFLINE=", "HF_TOKEN=", "HOME="+dir)
	s, listening := launchCommand(t, cmd)
	s.await(t, listening)
	// A hole has no blocks until the pull needs them.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "models", ".pull"), 0o750))
	first := true
	h.Change(func() {
		h.Before = func() {
			if first {
				first = false
				return
			}
			fill(t, dir, 8<<20)
		}
	})
	status, body := s.pulled(t, `{"source":"someone/large"}`)
	require.Equal(t, "failed", status, body)
	require.Contains(t, body, `"kind":"full"`)
	require.NoDirExists(t, filepath.Join(dir, "models", "someone--large"))
}

// TestThePullOfALargeModelMemory measures the most resident memory of the command while it
// downloads a large file, whose connection is cut.
func TestThePullOfALargeModelMemory(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("someone/small", "a", map[string]string{"config.json": "{}", "model.onnx": "x"})
	repo := h.Add("someone/large", "b", map[string]string{"config.json": "{}"})
	huge := hubtest.NewHuge(*pullMiB << 20)
	h.Change(func() { repo.Huge = map[string]hubtest.Huge{"onnx/model.onnx": huge} })
	p := pulls{h, t.TempDir()}
	most := func(source string) int64 {
		cmd := p.command(t, "", source)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	}
	small := most("someone/small")
	h.Change(func() { h.Cut = 1 })
	large := most("someone/large")
	t.Logf("%d MiB resident for %d MiB, %d MiB for a few bytes", large, *pullMiB, small)
	require.Less(t, large, small+24)
	require.Equal(t, *pullMiB<<20, h.Sent("onnx/model.onnx"), "what had been received was kept")
	info, err := os.Stat(filepath.Join(p.dir, "models", strings.Replace("someone/large", "/", "--", 1), "onnx", "model.onnx"))
	require.NoError(t, err)
	require.Equal(t, *pullMiB<<20, info.Size())
}
