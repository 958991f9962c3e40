package e2e

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/services"
)

// oldFolder unpacks a data folder that version 0.1.0 wrote, and what that version
// answered about it.
func oldFolder(t *testing.T) (dir string, expected oldAnswers) {
	t.Helper()
	file, err := os.Open(filepath.FromSlash("orchestrator/records/recordstest/testdata/data-0.1.0.tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	packed, err := gzip.NewReader(file)
	require.NoError(t, err)
	root := t.TempDir()
	for archive := tar.NewReader(packed); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		name := filepath.Join(root, filepath.Clean("/"+head.Name))
		if head.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(name, 0o750))
			continue
		}
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, content, 0o640))
	}
	raw, err := os.ReadFile(filepath.Join(root, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &expected))
	return filepath.Join(root, "data-0.1.0"), expected
}

type oldAnswers struct {
	Jobs map[string]struct {
		Job    json.RawMessage
		Result json.RawMessage
	}
	Audio    map[string]int
	Contexts struct{ Data []map[string]any }
}

// forever keeps what is older than the defaults allow.
const forever = "jobs: {audio: {ttl: 876000h}, retention: {maxAge: 876000h}}\nservices: {gama: {contexts: {expiry: 876000h}}}"

// TestADataFolderOfAnOlderVersion opens a copy of a folder that 0.1.0 wrote, with
// finished, cancelled and queued jobs, recordings, a large result, a sound and a
// conversation, kills the server meanwhile, and finds everything.
func TestADataFolderOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	dir, expected := oldFolder(t)
	args := append(configured(t, forever), "--data-dir", dir)
	for _, wait := range []time.Duration{0, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond} {
		s, _ := launch(t, args...)
		<-time.After(wait)
		s.kill()
	}
	s := start(t, args...)
	app := s.app(t)
	for id, want := range expected.Jobs {
		checkOldJob(t, s, app, id, want.Job, want.Result)
	}
	for id, size := range expected.Audio {
		status, content := s.get(t, "/v1/audio/"+id)
		require.Equal(t, http.StatusOK, status, content)
		require.Len(t, content, size)
		sum := sha256.Sum256([]byte(content))
		require.Equal(t, id, hex.EncodeToString(sum[:]))
	}
	_, text := s.get(t, "/v1/contexts")
	var contexts struct{ Data []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &contexts))
	for _, one := range contexts.Data {
		delete(one, "cached_tokens")
		delete(one, "cached_bytes")
	}
	require.Equal(t, expected.Contexts.Data, contexts.Data)
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(filepath.Join(dir, "format.json"))
		return err == nil && strings.TrimSpace(string(raw)) == `{"version":2}`
	}, 20*time.Second, 10*time.Millisecond)
	_, text = s.get(t, "/v1/audio")
	var listed struct {
		Data []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &listed))
	require.Len(t, listed.Data, len(expected.Audio)-1, "all but the recording of the conversation: %s", text)
	j := s.hand(t, app, transcription(clip(t, "clip09.wav"), `,"labels":{"album":"7"}`), "Idempotency-Key", "once")
	require.Equal(t, "true", j.header.Get("Idempotent-Replayed"), j.body)
	require.NoError(t, s.stop(t), s.log)
	onlyNewRecords(t, filepath.Join(dir, "jobs"))
}

// checkOldJob compares a job with what 0.1.0 answered; a queued one has run since.
func checkOldJob(t *testing.T, s *server, app *application, id string, job, result json.RawMessage) {
	t.Helper()
	var old struct{ Status string }
	require.NoError(t, json.Unmarshal(job, &old))
	if old.Status == "queued" {
		done, err := app.wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "succeeded", done.Status, "%+v", done.Error)
		return
	}
	status, text := s.get(t, "/v1/jobs/"+id)
	require.Equal(t, http.StatusOK, status, text)
	require.JSONEq(t, string(job), text)
	if result != nil {
		status, text = s.get(t, "/v1/jobs/"+id+"/result?format=json")
		require.Equal(t, http.StatusOK, status, text)
		require.JSONEq(t, string(result), text)
	}
}

// onlyNewRecords checks that every record has the envelope.
func onlyNewRecords(t *testing.T, dir string) {
	t.Helper()
	cfg := natsstore.DefaultConfig()
	cfg.Dir = dir
	store := natsstore.New(cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, slog.New(slog.DiscardHandler))
	require.NoError(t, store.Start(t.Context()))
	defer func() { require.NoError(t, store.Stop(context.Background())) }()
	ctx, cancel := context.WithCancel(t.Context())
	kinds := make(map[string]int)
	err := store.Watch(ctx, func(change records.Change) {
		if change.CaughtUp {
			cancel()
			return
		}
		var e struct {
			Schema   int
			Kind, ID string
			Created  time.Time
			Body     json.RawMessage
		}
		if change.Value == nil {
			return
		}
		require.NoError(t, json.Unmarshal(change.Value, &e))
		require.Equal(t, 1, e.Schema, "%s: %s", change.Key, change.Value)
		require.Equal(t, change.Key, e.Kind+"."+e.ID)
		require.False(t, e.Created.IsZero(), change.Key)
		require.NotEmpty(t, e.Body)
		kinds[e.Kind]++
	})
	require.Error(t, err, "cancelled, or ended for that")
	require.ErrorIs(t, ctx.Err(), context.Canceled, "everything was read: %v", err)
	require.Equal(t, map[string]int{"job": 6, "audio": 5, "context": 1, "ref": 5}, kinds)
}

func TestANewerDataFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "format.json"), []byte(`{"version":3}`), 0o600))
	s, _ := launch(t, "--data-dir", dir)
	require.Error(t, <-s.done)
	s.done <- nil
	require.Eventually(t, func() bool {
		return strings.Contains(s.log.String(), "is version 3, and this program reads up to version 2")
	}, 5*time.Second, 10*time.Millisecond, s.log)
}
