package batches_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestEveryItemIsDoneOnce(t *testing.T) {
	t.Parallel()
	const n = 3000 // three segments of items, and twelve of outcomes
	b := setup(t, newWorker(), func(o *options) { o.jobs.MaxQueued = 20 })
	var items []batches.Item
	for i := range n {
		items = append(items, say(fmt.Sprint(i))...)
	}
	v := b.submit(t, request, items...)
	require.Equal(t, batches.StatusRunning, v.Status)
	v = b.end(t, v.ID)
	require.Equal(t, batches.StatusSucceeded, v.Status)
	require.Equal(t, batches.Counts{Succeeded: n}, v.Counts)
	require.InDelta(t, 1, v.Progress, 0)
	require.Len(t, b.worker.counts(), n)
	for text, times := range b.worker.counts() {
		require.Equal(t, 1, times, text)
	}
	next := 0
	require.NoError(t, b.Results(t.Context(), "alice", v.ID, func(r batches.Result) error {
		require.Equal(t, next, r.Item)
		require.JSONEq(t, fmt.Sprintf("%q", fmt.Sprint(next)), string(r.Result))
		require.Equal(t, "echo-tiny", r.Model)
		require.Equal(t, "say", r.Request.Task)
		next++
		return nil
	}))
	require.Equal(t, n, next)
	page, err := b.jobs.List(t.Context(), jobs.Filter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Jobs, "the outcomes are in the batch")
}

// TestABatchTakesOnlySomePlaces has a queue that other jobs of the same owner can still use.
func TestABatchTakesOnlySomePlaces(t *testing.T) {
	t.Parallel()
	w, release := newWorker(), make(chan struct{})
	w.run = func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return services.TaskResult{Value: "x"}, ctx.Err()
	}
	b := setup(t, w, func(o *options) { o.batches.Window = 8 })
	v := b.submit(t, request, say(strings.Split(strings.Repeat("x ", 99)+"x", " ")...)...)
	require.Eventually(t, func() bool {
		v, err := b.Get(t.Context(), "alice", v.ID)
		return err == nil && v.Counts.Queued == 8 && v.Counts.Running == 8 && v.Counts.Pending == 84
	}, time.Minute, time.Millisecond, "eight have places and eight wait")
	close(release)
	require.Equal(t, 100, b.end(t, v.ID).Counts.Succeeded)
}

func TestAFailedItemDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorker()
	fail := true
	w.run = func(_ context.Context, task services.Task) (services.TaskResult, error) {
		if fail && strings.Contains(string(task.Params), "b") {
			return services.TaskResult{}, services.Invalidf("say", "is refused")
		}
		return services.TaskResult{Value: "said"}, nil
	}
	b := setup(t, w)
	r := request
	r.Callback = "http://receiver"
	v := b.submit(t, r, say("a", "b", "c")...)
	require.Equal(t, batches.StatusFailed, b.end(t, v.ID).Status)
	require.Equal(t, []string{`0 succeeded "said"`, "1 failed say is refused", `2 succeeded "said"`}, b.results(t, v.ID))
	failed, err := b.jobs.Get(t.Context(), "alice", jobs.ItemID(v.ID, 1))
	require.NoError(t, err, "a failed job can be looked at")
	require.Equal(t, v.ID, failed.Batch)
	_, err = b.jobs.Retry(t.Context(), "alice", failed.ID)
	require.ErrorIs(t, err, jobs.ErrInBatch)
	require.ErrorIs(t, b.jobs.Remove(t.Context(), "alice", failed.ID), jobs.ErrInBatch)

	fail = false
	again, err := b.Retry(t.Context(), "alice", v.ID, false)
	require.NoError(t, err)
	require.Equal(t, batches.StatusRunning, again.Status)
	require.Equal(t, batches.StatusSucceeded, b.end(t, v.ID).Status)
	require.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1}, w.counts(), "only what failed was done again")
	require.Equal(t, []string{`0 succeeded "said"`, `1 succeeded "said"`, `2 succeeded "said"`}, b.results(t, v.ID))

	_, err = b.Retry(t.Context(), "alice", v.ID, true)
	require.NoError(t, err)
	require.Equal(t, batches.StatusSucceeded, b.end(t, v.ID).Status)
	require.Equal(t, map[string]int{"a": 2, "b": 3, "c": 2}, w.counts())
	require.Eventually(t, func() bool { return len(b.receiver.received()) >= 1 }, time.Minute, time.Millisecond)
	for _, got := range b.receiver.received() {
		require.Contains(t, got, v.ID)
	}

	require.NoError(t, b.Remove(t.Context(), "alice", v.ID))
	_, err = b.Get(t.Context(), "alice", v.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	names, err := b.db.Store().Objects(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = b.jobs.Get(t.Context(), "alice", failed.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}

func TestACancelledBatch(t *testing.T) {
	t.Parallel()
	w := newWorker()
	began := make(chan struct{}, 100)
	w.run = func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
		began <- struct{}{}
		<-ctx.Done()
		return services.TaskResult{}, ctx.Err()
	}
	b := setup(t, w, func(o *options) { o.batches.Window = 2 })
	v := b.submit(t, request, say(strings.Split(strings.Repeat("x ", 999)+"x", " ")...)...)
	<-began
	require.ErrorIs(t, b.Remove(t.Context(), "alice", v.ID), batches.ErrNotFinished)
	_, err := b.Retry(t.Context(), "alice", v.ID, false)
	require.ErrorIs(t, err, batches.ErrNotFinished)
	_, err = b.Cancel(t.Context(), "bob", v.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = b.Cancel(t.Context(), "alice", v.ID)
	require.NoError(t, err)
	v = b.end(t, v.ID)
	require.Equal(t, batches.StatusCancelled, v.Status)
	require.Equal(t, batches.Counts{Cancelled: 1000}, v.Counts)
	require.Len(t, b.results(t, v.ID), 1000)
	require.Equal(t, "5 cancelled", b.results(t, v.ID)[5][:11])
}

func TestARepeatedBatchIsTheFirst(t *testing.T) {
	t.Parallel()
	b := setup(t, newWorker())
	r := request
	r.IdempotencyKey = "k"
	v := b.submit(t, r, say("a", "b")...)
	again, existed, err := b.draft(t, say("a", "b")...).Commit(t.Context(), r)
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, v.ID, again.ID)
	require.ErrorIs(t, commit(t, b.draft(t, say("a", "c")...), r), batches.ErrKeyReused)
	b.end(t, v.ID)
	require.Equal(t, map[string]int{"a": 1, "b": 1}, b.worker.counts())
}

func TestARefusedBatchNamesItsItems(t *testing.T) {
	t.Parallel()
	b := setup(t, newWorker(), func(o *options) { o.batches.MaxItems = 4 })
	problems := func(err error) (texts []string) {
		t.Helper()
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		for _, field := range fault.Fields {
			texts = append(texts, field.Field+" "+field.Problem)
		}
		return append(texts, fault.Message)
	}
	_, _, err := b.draft(t, say("a", "", "b", "")...).Commit(t.Context(), request)
	require.Equal(t, []string{"items[1].params.say line 2: must have at least 1 character, got 0", ""}, problems(err))
	items := say("a")
	items[0].Task = "sing"
	_, _, err = b.draft(t, items...).Commit(t.Context(), request)
	require.Equal(t, []string{`items[0].task line 1: must be say, got "sing"`, ""}, problems(err))
	_, _, err = b.draft(t).Commit(t.Context(), request)
	require.Equal(t, []string{"items are missing; a batch has at least one", ""}, problems(err))
	d := b.draft(t, say("a", "b", "c", "d")...)
	require.Equal(t, []string{"items line 9: must be at most 4, which is the setting jobs.batches.maxItems", ""},
		problems(d.Add(t.Context(), say("e")[0], 9)))
	d = b.draft(t)
	require.Equal(t, []string{
		`items[0].audio_id line 3: must be the id of a stored recording, 64 hexadecimal digits, got "x"`, "",
	}, problems(d.Add(t.Context(), batches.Item{AudioID: "x"}, 3)))
	missing := strings.Repeat("0a", 32)
	require.Equal(t, []string{fmt.Sprintf("items[1].audio_id line 2: names no stored recording, got %q", missing), ""},
		problems(commit(t, b.draft(t, batches.Item{}, batches.Item{AudioID: missing}), request)))
	require.Equal(t, []string{"items[1].params must have at most 262144 bytes, got 262146", ""},
		problems(d.Add(t.Context(), batches.Item{Params: json.RawMessage(`"` + strings.Repeat("x", 256<<10) + `"`)}, 0)))
	r := request
	r.Callback = "http://private"
	_, _, err = b.draft(t, say("a")...).Commit(t.Context(), r)
	require.Equal(t, []string{"callback_url is private", ""}, problems(err))
}

// commit returns the error of a submission.
func commit(t *testing.T, d *batches.Draft, r batches.Request) error {
	t.Helper()
	_, _, err := d.Commit(t.Context(), r)
	return err
}

// TestItemsOverrideWhatTheyShare merges parameters and labels.
func TestItemsOverrideWhatTheyShare(t *testing.T) {
	t.Parallel()
	b := setup(t, newWorker())
	r := request
	r.Shared.Params, r.Shared.Labels = json.RawMessage(`{"say":"a","loud":true}`), map[string]string{"x": "1", "y": "1"}
	v := b.submit(t, r, batches.Item{}, batches.Item{Params: json.RawMessage(`{"say":"b"}`), Labels: map[string]string{"y": "2"}, Name: "two"})
	b.end(t, v.ID)
	require.Equal(t, map[string]int{"a": 1, "b": 1}, b.worker.counts())
	require.NoError(t, b.Results(t.Context(), "", v.ID, func(r batches.Result) error {
		if r.Item == 1 {
			require.JSONEq(t, `{"say":"b","loud":true}`, string(r.Request.Params))
			require.Equal(t, map[string]string{"x": "1", "y": "2"}, r.Request.Labels)
			require.Equal(t, "two", r.Request.Name)
		}
		return nil
	}))
}

// store adds a recording to the library.
func (b *bundle) store(t *testing.T, content string) string {
	t.Helper()
	in, err := b.library.Receive(t.Context(), strings.NewReader(content), library.About{Owner: "alice"})
	require.NoError(t, err)
	d := b.draft(t)
	id, err := d.Save(t.Context(), in)
	require.NoError(t, err)
	require.NoError(t, d.Discard(t.Context()))
	return id
}

func TestRecordingsStayWhileABatchNeedsThem(t *testing.T) {
	t.Parallel()
	w, release := newWorker(), make(chan struct{})
	w.run = func(context.Context, services.Task) (services.TaskResult, error) {
		<-release
		return services.TaskResult{Value: "x"}, nil
	}
	b := setup(t, w, func(o *options) { o.batches.Window = 1 })
	good, bad := b.store(t, "a recording"), b.store(t, "bad")
	items := []batches.Item{{AudioID: bad}, {AudioID: good}, {AudioID: good}}
	for i := range items {
		items[i].Params = say("x")[0].Params
	}
	d := b.draft(t, items...)
	v, _, err := d.Commit(t.Context(), request)
	require.NoError(t, err, "one bad recording does not refuse the others")
	require.NoError(t, d.Discard(t.Context()))
	require.ErrorIs(t, b.library.Delete(t.Context(), anyone, good), library.ErrInUse)
	close(release)
	v = b.end(t, v.ID)
	require.Equal(t, batches.Counts{Succeeded: 2, Failed: 1}, v.Counts)
	require.Equal(t, "0 failed file is no recording", b.results(t, v.ID)[0])
	require.NoError(t, b.library.Delete(t.Context(), anyone, good))
}

// TestSoundsOfABatchStay has recordings that results name, in a process and in the next one.
func TestSoundsOfABatchStay(t *testing.T) {
	t.Parallel()
	store, w := recordstest.NewMemory(), newWorker()
	var made string
	w.run = func(context.Context, services.Task) (services.TaskResult, error) {
		return services.TaskResult{Value: map[string]any{"steps": []any{map[string]string{"audio_id": made}}}}, nil
	}
	first := prepare(t, store, w).begin(t)
	made = first.store(t, "a sound")
	v := first.submit(t, request, say("x")...)
	require.Equal(t, batches.StatusSucceeded, first.end(t, v.ID).Status)
	require.Equal(t, []string{"alice " + made}, first.Needs())
	first.stop()
	second := prepare(t, store, w).begin(t)
	require.Eventually(t, func() bool { return second.Pending() == nil }, time.Minute, time.Millisecond)
	require.Equal(t, []string{"alice " + made}, second.Needs())
	require.NoError(t, second.Remove(t.Context(), "alice", v.ID))
	require.Empty(t, second.Needs())
}

// TestARepetitionNeedsNoRecording repeats a batch whose recording has been deleted.
func TestARepetitionNeedsNoRecording(t *testing.T) {
	t.Parallel()
	b := setup(t, newWorker())
	item := say("x")[0]
	item.AudioID = b.store(t, "a recording")
	r := request
	r.IdempotencyKey = "k"
	d := b.draft(t, item)
	v, _, err := d.Commit(t.Context(), r)
	require.NoError(t, err)
	require.NoError(t, d.Discard(t.Context()))
	b.end(t, v.ID)
	require.NoError(t, b.library.Delete(t.Context(), anyone, item.AudioID))
	again, existed, err := b.draft(t, item).Commit(t.Context(), r)
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, v.ID, again.ID)
}
