package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

func TestWhatIsSureToFailIsRefused(t *testing.T) {
	t.Parallel()
	w := &worker{run: says("x"), check: func(task services.Task) error {
		if string(task.Params) == `{"bad":1}` {
			return services.Invalidf("bad", "is bad")
		}
		return services.Faultf(services.KindUnavailable, "down just now")
	}}
	b := setup(t, w)
	for name, c := range map[string]struct {
		s    jobs.Submission
		kind services.Kind
		says string
	}{
		"an unknown service": {jobs.Submission{Service: "nobody"}, services.KindNotFound, "nobody"},
		"no service or task": {jobs.Submission{}, services.KindNotFound, "no service"},
		"an unknown model": {
			jobs.Submission{Task: "say", Params: json.RawMessage(`{"model":"none"}`)}, services.KindNotFound, "no model none",
		},
		"an unknown task":     {jobs.Submission{Service: "echo", Task: "dance"}, services.KindInvalid, "say or sing"},
		"params of no object": {jobs.Submission{Service: "echo", Params: json.RawMessage(`[1]`)}, services.KindInvalid, "JSON object"},
		"a model of no text":  {jobs.Submission{Service: "echo", Params: json.RawMessage(`{"model":1}`)}, services.KindInvalid, "params.model"},
		"bad params":          {jobs.Submission{Service: "echo", Params: json.RawMessage(`{"bad":1}`)}, services.KindInvalid, "is bad"},
		"huge params": {
			jobs.Submission{Service: "echo", Params: json.RawMessage(`{"x":"` + string(bytes.Repeat([]byte("x"), 300<<10)) + `"}`)},
			services.KindInvalid, "256.0 KiB",
		},
		"a past deadline":      {jobs.Submission{Service: "echo", Deadline: time.Now().Add(-time.Hour)}, services.KindInvalid, "future"},
		"a forbidden callback": {jobs.Submission{Service: "echo", Callback: "http://private"}, services.KindInvalid, "private"},
		"an unknown recording": {jobs.Submission{Service: "echo", AudioID: "abc"}, services.KindInvalid, "audio_id"},
		"two recordings":       {jobs.Submission{Service: "echo", AudioID: "abc", Upload: b.upload(t, "x")}, services.KindInvalid, "audio_id"},
	} {
		_, _, err := b.Submit(t.Context(), c.s)
		require.Equal(t, c.kind, services.KindOf(err), name)
		require.ErrorContains(t, err, c.says, name)
	}
	page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Jobs)
	// What is down now may be up when the job's turn comes.
	require.Equal(t, jobs.StatusSucceeded, b.end(t, b.submit(t, jobs.Submission{}).ID).Status)
}

func TestAnIdempotencyKeyGivesOneJob(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	one := jobs.Submission{Owner: "key-1", Service: "echo", IdempotencyKey: "k", Params: json.RawMessage(`{"a":1}`)}
	var ids sync.Map
	var all sync.WaitGroup
	for range 8 {
		again := one
		again.Upload = b.upload(t, "hello")
		all.Go(func() {
			if job, _, err := b.Submit(t.Context(), again); err == nil {
				ids.Store(job.ID, true)
			} else {
				ids.Store(err.Error(), true)
			}
		})
	}
	all.Wait()
	count := 0
	ids.Range(func(id, _ any) bool { count++; require.Contains(t, id, "job-"); return true })
	require.Equal(t, 1, count)

	one.Upload = b.upload(t, "hello")
	other := one
	other.Params = json.RawMessage(`{"a":2}`)
	_, _, err := b.Submit(t.Context(), other)
	require.ErrorIs(t, err, jobs.ErrKeyReused)
	other = one
	other.Upload = b.upload(t, "other")
	_, _, err = b.Submit(t.Context(), other)
	require.ErrorIs(t, err, jobs.ErrKeyReused)
	other = one
	other.Owner = "key-2"
	_, existed, err := b.Submit(t.Context(), other)
	require.NoError(t, err)
	require.False(t, existed, "keys of two owners are apart")
	require.Equal(t, 2, b.Count(jobs.StatusSucceeded)+b.Count(jobs.StatusQueued)+b.Count(jobs.StatusRunning))
}

func TestARepetitionFindsItsJobThoughItCouldNotBeAcceptedNow(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	audio, _, err := b.library.Save(t.Context(), b.upload(t, "hello"), "")
	require.NoError(t, err)
	one := jobs.Submission{Service: "echo", IdempotencyKey: "k", AudioID: audio.ID, Deadline: time.Now().Add(2 * time.Second)}
	first, _, err := b.Submit(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusSucceeded, b.end(t, first.ID).Status)
	require.NoError(t, b.library.Delete(t.Context(), services.Caller{}, audio.ID))
	again := func() {
		t.Helper()
		job, existed, err := b.Submit(t.Context(), one)
		require.NoError(t, err)
		require.True(t, existed)
		require.Equal(t, first.ID, job.ID)
	}
	again()
	require.Eventually(t, func() bool { return time.Now().After(one.Deadline) }, 10*time.Second, 10*time.Millisecond)
	again()
	one.IdempotencyKey = "other"
	_, _, err = b.Submit(t.Context(), one)
	require.ErrorContains(t, err, "audio_id names no stored recording")
}

// shut is a store that takes no calls, with a disk of so much room.
type shut struct {
	records.Store
	room error
}

func (s *shut) Room(services.Bytes) error { return s.room }

func (s *shut) Read(context.Context, string) ([]byte, records.Revision, error) {
	return nil, 0, services.Faultf(services.KindUnavailable, "the job store is not available")
}

func TestAFullDiskIsReportedWhileTheStoreIsOpenedAnew(t *testing.T) {
	t.Parallel()
	store := &shut{}
	b := setup(t, &worker{run: says("x")}, func(_ *jobs.Config, made *wiring) {
		store.Store = made.Store
		made.Store = store
	})
	first, second := b.upload(t, "hello"), b.upload(t, "hello")
	store.room = services.Faultf(services.KindFull, "0 bytes are free")
	_, _, err := b.Submit(t.Context(), jobs.Submission{Service: "echo", Upload: first})
	require.Equal(t, services.KindFull, services.KindOf(err))
	_, _, err = b.library.Save(t.Context(), first, "")
	require.Equal(t, services.KindFull, services.KindOf(err))
	_, err = b.library.Receive(t.Context(), strings.NewReader("hello"), library.About{})
	require.Equal(t, services.KindFull, services.KindOf(err))
	store.room = nil
	_, _, err = b.Submit(t.Context(), jobs.Submission{Service: "echo", Upload: second})
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
}
