package jobs_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// aged writes a recording that nobody used for long.
func aged(t *testing.T, store records.Store, name string) string {
	t.Helper()
	id := strings.Repeat(name, 64)
	require.NoError(t, records.PutObject(t.Context(), store, "audio-"+id, strings.NewReader("hello")))
	_, err := store.Create(t.Context(), "audio."+id,
		[]byte(`{"schema":1,"kind":"audio","id":"`+id+`","created":"1990-01-01T00:00:00Z","body":{"bytes":5,"used":"1990-01-01T00:00:00Z"}}`))
	require.NoError(t, err)
	return id
}

func TestRecordingsThatJobsNeedStay(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: says("x")}, func(t *testing.T, b *bundle, store *recordstest.Memory) {
		t.Helper()
		waits, sound, more, named := aged(t, store, "a"), aged(t, store, "b"), aged(t, store, "c"), aged(t, store, "f")
		aged(t, store, "d") // of nobody
		done := aged(t, store, "e")
		left(t, store, "job-waits", func(job *jobs.Job) {
			job.Status, job.Claim, job.Service, job.AudioID = jobs.StatusQueued, nil, "later", waits
			job.Recordings = []string{named}
		})
		left(t, store, "job-done", func(job *jobs.Job) {
			job.Status, job.Claim, job.Finished, job.AudioID = jobs.StatusSucceeded, nil, time.Now(), done
			job.Result = &jobs.Result{AudioID: sound, More: []jobs.Sound{{AudioID: more}}}
		})
		time.Sleep(time.Hour) // for the sweeps
		synctest.Wait()
		names, err := store.Objects(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"audio-" + waits, "audio-" + sound, "audio-" + more, "audio-" + named}, names)
		err = b.library.Delete(t.Context(), services.Caller{}, waits)
		require.ErrorIs(t, err, library.ErrInUse)
		require.ErrorContains(t, err, "job-waits")
		require.ErrorIs(t, b.library.Delete(t.Context(), services.Caller{}, named), library.ErrInUse)
		require.NoError(t, b.library.Delete(t.Context(), services.Caller{}, sound))
	})
}

// shaky is a store that fails some writes of a kind with a fault that passes.
type shaky struct {
	records.Store
	failures atomic.Int64
	commits  bool // fail commits of recordings instead
}

func (s *shaky) Replace(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	if !s.commits && bytes.Contains(value, []byte(`"status":"succeeded"`)) && s.failures.Add(-1) >= 0 {
		return 0, services.Faultf(services.KindUnavailable, "the store is down")
	}
	return s.Store.Replace(ctx, key, value, at)
}

func (s *shaky) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	if s.commits && s.failures.Add(-1) >= 0 {
		return nil, services.Faultf(services.KindUnavailable, "the store is down")
	}
	return s.Store.Stage(ctx, r)
}

func TestTheEndOfAJobIsWrittenUntilTheStoreTakesIt(t *testing.T) {
	t.Parallel()
	for name, commits := range map[string]bool{"its record": false, "the sound that it made": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &shaky{commits: commits}
			w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
				path := filepath.Join(t.TempDir(), "made")
				err := os.WriteFile(path, []byte("a sound"), 0o600)
				return services.TaskResult{Value: "x", Audio: &services.Artifact{Path: path, ContentType: "audio/flac", Bytes: 7}}, err
			}}
			b := setup(t, w, func(_ *jobs.Config, made *wiring) { store.Store, made.Store = made.Store, store })
			store.failures.Store(2)
			job := b.end(t, b.submit(t, jobs.Submission{}).ID)
			require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
			require.NotEmpty(t, job.Result.AudioID)
			require.Equal(t, 1, w.runs())
		})
	}
}

func TestASoundThatHasNoRoomFailsTheJob(t *testing.T) {
	t.Parallel()
	w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		path := filepath.Join(t.TempDir(), "made")
		err := os.WriteFile(path, []byte("a sound"), 0o600)
		return services.TaskResult{Value: "x", Audio: &services.Artifact{Path: path, ContentType: "audio/flac", Bytes: 7}}, err
	}}
	b := setup(t, w, func(c *jobs.Config, _ *wiring) { c.Audio.Quota = 3 })
	job := b.end(t, b.submit(t, jobs.Submission{}).ID)
	require.Equal(t, jobs.StatusFailed, job.Status)
	require.Equal(t, services.KindFull, job.Failure.Kind)
}

// blind is a store whose recordings cannot be read to their end for a while.
type blind struct {
	records.Store
	failures atomic.Int64
}

func (s *blind) Object(ctx context.Context, name string) (records.Object, error) {
	object, err := s.Store.Object(ctx, name)
	return &blindObject{object, s}, err
}

type blindObject struct {
	records.Object
	store *blind
}

func (o *blindObject) Read(p []byte) (int, error) {
	if at, err := o.Seek(0, io.SeekCurrent); err == nil && at > 0 && o.store.failures.Add(-1) >= 0 {
		return 0, services.Faultf(services.KindUnavailable, "the store is down")
	}
	return o.Object.Read(p[:min(len(p), 3)])
}

func TestAStoreThatFailsUnderAReadingIsNoFaultOfTheFile(t *testing.T) {
	t.Parallel()
	store := &blind{}
	w := &worker{}
	w.run = func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		switch {
		case err != nil && w.runs() == 1:
			return services.TaskResult{}, services.Invalidf("file", "is damaged") // as a decoder may say
		case err != nil:
			return services.TaskResult{Value: string(content)}, nil // as a decoder of streams may end
		}
		return services.TaskResult{Value: string(content)}, nil
	}
	b := setup(t, w, func(_ *jobs.Config, made *wiring) { store.Store, made.Store = made.Store, store })
	long := strings.Repeat("hello", 30_000) // a short one is read before the run
	upload := b.upload(t, long)
	store.failures.Store(2)
	job := b.end(t, b.submit(t, jobs.Submission{Upload: upload}).ID)
	require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
	require.Equal(t, 3, w.runs())
	require.Zero(t, job.Tries, "it speaks neither against the job nor against the service")
	_, value, err := b.Result(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Equal(t, `"`+long+`"`, string(value))
}

// TestAJobStartsAtOnce shows that a queued job is begun when it comes, and not at
// the dispatcher's next look.
func TestAJobStartsAtOnce(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: says("x")}, func(t *testing.T, b *bundle, _ *recordstest.Memory) {
		t.Helper()
		for range 20 {
			job := b.end(t, b.submit(t, jobs.Submission{}).ID)
			require.Equal(t, job.Created, job.Started)
			time.Sleep(7 * time.Millisecond)
		}
	})
}

func TestManagerStartsAndStops(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("x")}, t.TempDir())
	lifecycletest.Stress(t, 20, func(t *testing.T) lifecycle.Part {
		t.Helper()
		db, _, manager := manage(b.cfg, wiring{Dependencies: b.deps, Store: b.store})
		require.NoError(t, db.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
		return manager
	})
}
