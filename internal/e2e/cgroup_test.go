package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run SmallControlGroup -cgroup 5m -v, as root.
var cgroupFor = flag.Duration("cgroup", 0, "load a server in a control group of 700 MB for so long; 0 skips it")

// groupLimit is 700 MB.
const groupLimit = 700_000_000

// memoryGroup is a cgroup with a memory limit.
type memoryGroup struct {
	dir     string
	version int
}

// newMemoryGroup creates a cgroup with the limit, of the version that the system has.
func newMemoryGroup(t *testing.T) memoryGroup {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a control group needs root")
	}
	name := "grym-synth-test-" + strconv.Itoa(os.Getpid())
	g := memoryGroup{filepath.Join("/sys/fs/cgroup/memory", name), 1}
	limit := "memory.limit_in_bytes"
	if controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil && strings.Contains(string(controllers), "memory") {
		g, limit = memoryGroup{filepath.Join("/sys/fs/cgroup", name), 2}, "memory.max"
		_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0o600)
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("no control group of memory can be made: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(g.dir) })
	if err := os.WriteFile(filepath.Join(g.dir, limit), []byte(strconv.Itoa(groupLimit)), 0o600); err != nil {
		t.Skipf("the control group's memory cannot be limited: %v", err)
	}
	return g
}

// figure reads a number from a file of the cgroup, or from its line with a key.
func (g memoryGroup) figure(t *testing.T, file, key string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("%s has no %s", file, key)
	return 0
}

// peak returns the highest memory use of the cgroup and the number of killed processes.
func (g memoryGroup) peak(t *testing.T) int64 {
	t.Helper()
	if g.version == 1 {
		return g.figure(t, "memory.max_usage_in_bytes", "")
	}
	return g.figure(t, "memory.peak", "")
}

func (g memoryGroup) kills(t *testing.T) int64 {
	t.Helper()
	if g.version == 1 {
		return g.figure(t, "memory.oom_control", "oom_kill ")
	}
	return g.figure(t, "memory.events", "oom_kill ")
}

// used returns the memory use of the cgroup without the page cache.
func (g memoryGroup) used(t *testing.T) int64 {
	t.Helper()
	if g.version == 1 {
		return g.figure(t, "memory.stat", "total_rss ")
	}
	return g.figure(t, "memory.stat", "anon ")
}

// baseModels writes two model folders of the size of wav2vec2-base: as published, and with
// 8-bit weights. PYTHON names another interpreter than Debian's.
func baseModels(t *testing.T, dir string) {
	t.Helper()
	python := cmp.Or(os.Getenv("PYTHON"), "/usr/bin/python3")
	if err := exec.CommandContext(t.Context(), python, "-c", "import torch, onnx").Run(); err != nil {
		t.Skip("the models need python3 with torch and onnx, Debian's or that of PYTHON")
	}
	for name, dtype := range map[string]string{"base": "fp32", "base-int8": "int8"} {
		out, err := exec.CommandContext(t.Context(), python, "models/export/wav2vec2_random.py", "--dtype", dtype,
			filepath.Join(dir, "models", name)).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// spoken returns a WAV of the given length that repeats a held-out clip.
func spoken(t *testing.T, seconds int) []byte {
	t.Helper()
	source := clip(t, "clip09.wav")[44:] // 16-bit mono at 16 kHz
	size := seconds * 16000 * 2
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(36+size))
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for len(b) < 44+size {
		b = append(b, source[:min(len(source), 44+size-len(b))]...)
	}
	return b
}

// answered is the outcome of a request.
type answered struct {
	status   int
	retry    string
	priority string
	model    string
	took     time.Duration
	err      error
}

// crowd posts clips of 1 to 120 s from 200 clients until the time is over, and waits for
// all responses.
func crowd(t *testing.T, url string, duration time.Duration) []answered {
	t.Helper()
	type upload struct {
		body        []byte
		contentType string
	}
	uploads := make(map[string][]upload)
	for _, model := range []string{"wav2vec2-tiny", "base", "base-int8"} {
		for _, seconds := range []int{1, 2, 5, 10, 20, 40, 80, 120} {
			body, contentType := form(t, spoken(t, seconds), "model", model)
			data, err := io.ReadAll(body)
			require.NoError(t, err)
			uploads[model] = append(uploads[model], upload{data, contentType})
		}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	until := time.Now().Add(duration)
	var mu sync.Mutex
	var all []answered
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for time.Now().Before(until) {
				a := answered{priority: []string{"high", "low"}[i%2], model: "wav2vec2-tiny"}
				if n := random.IntN(40); n < 2 {
					a.model = []string{"base", "base-int8"}[n]
				}
				u := uploads[a.model][random.IntN(8)]
				a.post(client, url, u.body, u.contentType)
				mu.Lock()
				all = append(all, a)
				mu.Unlock()
				if a.status != http.StatusOK {
					time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
				}
			}
		})
	}
	clients.Wait()
	return all
}

// post sends an upload and records its outcome.
func (a *answered) post(client *http.Client, url string, body []byte, contentType string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/audio/transcriptions", bytes.NewReader(body))
	if err != nil {
		a.err = err
		return
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Grym-Priority", a.priority)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		a.err = err
		return
	}
	_, a.err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	a.took, a.status, a.retry = time.Since(began), response.StatusCode, response.Header.Get("Retry-After")
}

// TestACrowdInASmallControlGroup checks the behaviour in a small container.
func TestACrowdInASmallControlGroup(t *testing.T) {
	if *cgroupFor == 0 {
		t.Skip("takes minutes and root; -cgroup 5m runs it")
	}
	g := newMemoryGroup(t)
	dir := t.TempDir()
	baseModels(t, dir)
	// The shell moves itself into the cgroup and then executes the server.
	inside := filepath.Join(dir, "inside")
	script := fmt.Sprintf("#!/bin/sh\necho $$ > %s/cgroup.procs || exit 1\nexec %s \"$@\"\n", g.dir, program)
	require.NoError(t, os.WriteFile(inside, []byte(script), 0o700))
	outside := program
	program = inside
	s := start(t, "--data-dir", dir)
	program = outside

	_, body := s.get(t, "/v1/resources")
	t.Logf("at the start: %s", body[:min(len(body), 220)])
	stopWatching, watched := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-time.After(200 * time.Millisecond):
				most = max(most, g.used(t))
			case <-stopWatching:
				watched <- most
				return
			}
		}
	}()
	all := crowd(t, s.url, *cgroupFor)
	close(stopWatching)
	t.Logf("the group's peak: %d bytes with page cache, %d without, of %d; kills %d", g.peak(t), <-watched, groupLimit, g.kills(t))
	require.Zero(t, g.kills(t))
	// The kernel may charge a few of its own pages beyond the limit.
	require.LessOrEqual(t, g.peak(t), int64(groupLimit+1<<20))
	status, body := s.get(t, "/livez")
	require.Equal(t, http.StatusOK, status, body)
	judge(t, all)
}

// judge checks the outcomes.
func judge(t *testing.T, all []answered) {
	t.Helper()
	counts := make(map[string]int)
	took := make(map[string][]time.Duration)
	for _, a := range all {
		require.NoError(t, a.err)
		counts[fmt.Sprintf("%s %d", a.model, a.status)]++
		switch a.status {
		case http.StatusOK:
			took[a.priority] = append(took[a.priority], a.took)
		case http.StatusRequestEntityTooLarge:
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			require.NotEmpty(t, a.retry, "%d without Retry-After", a.status)
		default:
			t.Errorf("%s: status %d", a.model, a.status)
		}
	}
	t.Logf("answers: %v", counts)
	slices.Sort(took["high"])
	slices.Sort(took["low"])
	at := func(priority string, part float64) time.Duration {
		list := took[priority]
		require.NotEmpty(t, list, priority)
		return list[min(int(part*float64(len(list))), len(list)-1)].Round(time.Millisecond)
	}
	t.Logf("high priority: %d, p50 %s, p95 %s; low priority: %d, p50 %s, p95 %s", len(took["high"]), at("high", 0.5), at("high", 0.95),
		len(took["low"]), at("low", 0.5), at("low", 0.95))
	require.Less(t, at("high", 0.95), at("low", 0.5))
	require.Positive(t, counts["base-int8 200"], "the model of base's shape answers")
}
