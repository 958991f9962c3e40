package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallDisk mounts a tmpfs of the given size in MiB.
func smallDisk(t *testing.T, mebibytes int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes)); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fill fills a disk up to the given number of free bytes, with a file whose name it
// returns.
func fill(t *testing.T, dir string, left int) string {
	t.Helper()
	var disk syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &disk))
	name := filepath.Join(dir, "ballast")
	err := os.WriteFile(name, make([]byte, max(0, int(disk.Bavail)*int(disk.Bsize)-left)), 0o600)
	if left > 0 {
		require.NoError(t, err)
	}
	return name
}

// TestAFullDiskRefusesJobsAndNothingElse fills the disk of the job store up to its reserve,
// and then frees space.
func TestAFullDiskRefusesJobsAndNothingElse(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
	p := newPhoenix(t, configured(t, "jobs: {dir: "+disk+"/store, reserve: 1MiB, services: [audioProcessor]}")...)
	app := p.app(t)
	var ids []string
	var refused reply
	for i := 0; refused.status == 0; i++ { // different recordings, 2 MiB each
		got := p.hand(t, app, transcription(longSpeech(t, 66+i), ""), "Idempotency-Key", fmt.Sprintf("key-%d", i))
		if got.status == http.StatusAccepted {
			j, err := readJob(got.body)
			require.NoError(t, err)
			ids = append(ids, j.ID)
			continue
		}
		refused = got
	}
	require.Equal(t, http.StatusInsufficientStorage, refused.status, refused.body)
	require.Contains(t, refused.body, "jobs.reserve keeps 1048576")
	require.Greater(t, len(ids), 20)

	ballast := fill(t, disk, 1<<20)
	got := p.hand(t, app, work{request: `{"service":"audioldm","params":{"prompt":"rain"}}`})
	require.Equal(t, http.StatusInsufficientStorage, got.status, "not even a small one: %s", got.body)
	status, text := p.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, text)
	answers(t, app, http.MethodGet, "/v1/jobs/"+ids[0], http.StatusOK, `"status":"queued"`)

	// No client sees a job that is accepted in part.
	require.NoError(t, p.stop(t), p.log)
	p.rise(t)
	all, err := app.list(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, len(ids))
	require.NoError(t, os.Remove(ballast))
	answers(t, app, http.MethodDelete, "/v1/jobs/"+ids[0], http.StatusOK, `"status":"cancelled"`)
	answers(t, app, http.MethodDelete, "/v1/audio/"+all[len(all)-1].AudioID, http.StatusNoContent)
	key := fmt.Sprintf("key-%d", len(ids)) // the one that was refused
	p.accepted(t, app, transcription(clip(t, "clip09.wav"), ""), "Idempotency-Key", key)
}

// TestADiskThatFillsUnderAJob fills the disk completely while a job writes.
func TestADiskThatFillsUnderAJob(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 48)
	p := newPhoenix(t, configured(t, "jobs: {dir: "+disk+"/store, reserve: 0, retry: {delay: 100ms, maxDelay: 1s}, services: [wav2vec2]}")...)
	app := p.app(t)
	other := p.accepted(t, app, work{request: `{"service":"audioldm","params":{"prompt":"rain"}}`})
	j := p.accepted(t, app, transcription(longSpeech(t, 200), ""))
	becomesJob(t, app, j.ID, func(j job) bool { return j.Status == "running" })
	ballast := fill(t, disk, 0)
	got := p.hand(t, app, transcription(clip(t, "clip09.wav"), ""))
	require.Equal(t, http.StatusInsufficientStorage, got.status, got.body)
	require.Eventually(t, func() bool {
		// What room is kept for is not asked for again.
		got = answer(t, app, http.MethodDelete, "/v1/jobs/"+other.ID)
		if got.status == http.StatusOK {
			got = answer(t, app, http.MethodPost, "/v1/jobs/"+other.ID+"/retry")
		}
		return got.status != http.StatusOK
	}, time.Minute, time.Millisecond)
	t.Logf("on a full disk: %d %s", got.status, got.body)
	require.Contains(t, []int{http.StatusInsufficientStorage, http.StatusServiceUnavailable}, got.status)
	require.Contains(t, p.log.String(), "no space left on device")
	status, text := p.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, text)

	require.NoError(t, os.Remove(ballast))
	done, err := app.wait(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", done.Status, "%+v", done.Error)
	words, err := app.result(t.Context(), j.ID, "text")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(words, "MUTE TRACK ONE "), words)
	second, err := app.submit(t.Context(), transcription(clip(t, "clip09.wav"), ""))
	require.NoError(t, err)
	second, err = app.wait(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", second.Status)
	all, err := app.list(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 3, "what was refused does not exist")
}

// TestAReadOnlyDiskLeavesTheRest checks that routes without storage work, and that jobs are
// accepted again when the disk is writable.
func TestAReadOnlyDiskLeavesTheRest(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 64)
	remount := func(flags uintptr) {
		require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|flags, "size=64m"))
	}
	remount(syscall.MS_RDONLY)
	s := start(t, configured(t, "jobs: {dir: "+disk+"/store, reserve: 1MiB}")...)
	app := s.app(t)
	for _, w := range []work{transcription(clip(t, "clip09.wav"), ""), {request: `{"service":"audioldm","params":{"prompt":"rain"}}`}} {
		got := s.hand(t, app, w)
		require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
		require.Contains(t, got.body, "the job store is not available")
		require.NotEmpty(t, got.header.Get("Retry-After"))
	}
	answers(t, app, http.MethodGet, "/v1/jobs/job-any", http.StatusServiceUnavailable, "the job store is not available")
	answers(t, app, http.MethodGet, "/v1/jobs", http.StatusServiceUnavailable, "the stored jobs are still being loaded")
	answers(t, app, http.MethodPost, "/v1/audio", http.StatusUnsupportedMediaType)
	_, health := s.get(t, "/healthz")
	require.Contains(t, health, "read-only file system")
	status, text := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, text)

	remount(0)
	j, err := app.submit(t.Context(), transcription(clip(t, "clip09.wav"), ""))
	require.NoError(t, err)
	j, err = app.wait(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", j.Status)
}
