package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/cli"
)

// storeState is what the server reports on its store.
type storeState struct {
	Records int
	Lost    []struct {
		Kind, ID, What string
		Ended          bool
	}
}

// storeOf returns what the server reports on its store, and the check of the jobs.
func storeOf(t *testing.T, s *server) (state storeState, ok bool, detail string) {
	t.Helper()
	_, body := s.get(t, "/v1/system/store")
	require.NoError(t, json.Unmarshal([]byte(body), &state), body)
	_, body = s.get(t, "/healthz")
	var health struct {
		Checks []struct {
			Name, Detail string
			OK           bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &health), body)
	for _, check := range health.Checks {
		if check.Name == "jobs" {
			return state, check.OK, check.Detail
		}
	}
	t.Fatalf("no check of the jobs: %s", body)
	return state, false, ""
}

// nothingLost checks that the server reports no loss, and that the stopped store has no
// fault.
func nothingLost(t *testing.T, p *phoenix) {
	t.Helper()
	state, ok, detail := storeOf(t, p.server)
	require.Empty(t, state.Lost, detail)
	require.True(t, ok, detail)
	require.NoError(t, p.stop(t), p.log)
	got := command(t, nil, nil, append([]string{program, "store", "check", "--scratch", t.TempDir()}, p.args...)...)
	require.Equal(t, cli.ExitOK, got.code, got.stdout+got.stderr)
	p.rise(t)
}

// calling returns work with a webhook to the receiver.
func calling(t *testing.T, w work, receiver *hook) work {
	t.Helper()
	address := httptest.NewServer(receiver)
	t.Cleanup(address.Close)
	w.name += " and call"
	w.request = w.request[:len(w.request)-1] + fmt.Sprintf(`,"callback_url":%q}`, address.URL)
	return w
}

// checkCalls checks that the end of each job was reported, always under one id.
func checkCalls(t *testing.T, app *application, receiver *hook, least int) {
	t.Helper()
	all, err := app.list(t.Context(), "")
	require.NoError(t, err)
	calling := 0
	for _, j := range all {
		if j.Callback != nil {
			calling++
			becomesJob(t, app, j.ID, func(j job) bool { return j.Callback.State == "delivered" })
		}
	}
	require.GreaterOrEqual(t, calling, least)
	ids := make(map[string]string) // of messages, by job
	for _, m := range receiver.messages() {
		var event job
		require.NoError(t, json.Unmarshal(m.body, &event))
		id := m.header.Get("Grym-Webhook-Id")
		if before, known := ids[event.ID]; known {
			require.Equal(t, before, id, "job %s ended twice", event.ID)
		}
		ids[event.ID] = id
	}
	require.Len(t, ids, calling)
	t.Logf("%d jobs with webhooks, %d messages", calling, len(receiver.messages()))
}

// conversed are the conversations that were acknowledged.
type conversed struct {
	mu  sync.Mutex
	ids []string
}

// converse begins conversations, one after the other, until the work has ended.
func converse(ctx context.Context, t *testing.T, app *application, until *sync.WaitGroup, sound []byte, seen *tally) *conversed {
	t.Helper()
	done := &conversed{}
	ended := make(chan struct{})
	go func() { until.Wait(); close(ended) }()
	body, contentType := form(t, sound)
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	var speaking sync.WaitGroup
	speaking.Go(func() {
		for n := 0; n < 30; n++ {
			got, err := app.persist(ctx, http.MethodPost, "/v1/contexts", content, "Content-Type", contentType)
			var made struct{ ID string }
			if err == nil {
				err = json.Unmarshal([]byte(got.body), &made)
			}
			if err != nil || made.ID == "" {
				seen.stop(fmt.Errorf("conversation %d: %d %s: %w", n, got.status, got.body, err))
				return
			}
			done.mu.Lock()
			done.ids = append(done.ids, made.ID)
			done.mu.Unlock()
			select {
			case <-ended:
				return
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	t.Cleanup(speaking.Wait)
	return done
}

// check checks that every conversation is there.
func (c *conversed) check(t *testing.T, app *application) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(t, c.ids)
	for _, id := range c.ids {
		got, err := app.persist(t.Context(), http.MethodGet, "/v1/contexts/"+id, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, got.status, got.body)
	}
	t.Logf("%d conversations were acknowledged, and all are there", len(c.ids))
}

// playEmptiedStore cuts the file of the records after a clean stop.
func playEmptiedStore(t *testing.T) {
	t.Helper()
	p := newPhoenix(t, configured(t, "jobs: {services: [audioProcessor]}")...)
	app := p.app(t)
	speech := clip(t, "clip09.wav")
	convert := work{request: `{"service":"audioProcessor","params":{"sample_rate":8000}}`, audio: speech}
	var done []job
	for i := range 3 {
		j := p.accepted(t, app, convert, "Idempotency-Key", fmt.Sprint("done-", i))
		j, err := app.wait(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, "succeeded", j.Status)
		done = append(done, j)
	}
	waiting := p.accepted(t, app, transcription(speech, "")) // no process runs it
	before, ok, detail := storeOf(t, p.server)
	require.True(t, ok, detail)
	require.NoError(t, p.stop(t), p.log)
	dir := p.args[1]
	backup := filepath.Join(t.TempDir(), "backup.tar")
	require.Equal(t, cli.ExitOK, command(t, nil, nil, program, "store", "backup", backup, "--data-dir", dir).code)
	files, err := filepath.Glob(filepath.Join(dir, "jobs", "jetstream", "*", "streams", "KV_*", "msgs", "*.blk"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.Truncate(files[0], 0))
	got := command(t, nil, nil, program, "store", "check", "--data-dir", dir)
	require.Equal(t, cli.ExitFailure, got.code)
	require.Contains(t, got.stdout, "record job."+waiting.ID+" is missing")

	reportsLoss(t, p, app, waiting, before.Records)
	p.rise(t)
	for i, was := range done {
		j, err := app.submit(t.Context(), convert, "Idempotency-Key", fmt.Sprint("done-", i))
		require.NoError(t, err)
		require.Equal(t, was.ID, j.ID)
		require.Equal(t, "failed", j.Status)
		require.Equal(t, was.Finished, j.Finished)
		require.Contains(t, j.Error.Message, "the store lost the record of this job, which had succeeded at")
	}
	answers(t, app, http.MethodGet, "/v1/jobs/"+waiting.ID, http.StatusOK, "the store lost the record of this job, which was queued")
	answers(t, app, http.MethodPost, "/v1/jobs/"+waiting.ID+"/retry", http.StatusConflict, "lost the request")
	answers(t, app, http.MethodPost, "/v1/system/store/acknowledge", http.StatusOK, fmt.Sprintf(`"acknowledged":%d`, before.Records))
	nothingLost(t, p)
	require.NoError(t, p.stop(t), p.log)
	checkRestored(t, backup, done, waiting)
}

// reportsLoss starts the server twice, and checks that it reports the loss of all records.
func reportsLoss(t *testing.T, p *phoenix, app *application, waiting job, records int) {
	t.Helper()
	for range 2 { // until it is acknowledged
		p.rise(t)
		becomesJob(t, app, waiting.ID, job.ended)
		state, ok, detail := storeOf(t, p.server)
		require.False(t, ok)
		require.Contains(t, detail, "job records missing: 4")
		require.Len(t, state.Lost, records)
		_, metrics := p.get(t, "/metrics")
		require.Contains(t, metrics, fmt.Sprintf("grym_store_lost_records{what=\"missing\"} %d\n", records))
		require.NoError(t, p.stop(t), p.log)
	}
}

// checkRestored restores a backup and checks that it has everything.
func checkRestored(t *testing.T, backup string, done []job, waiting job) {
	t.Helper()
	restored := filepath.Join(t.TempDir(), "restored")
	require.Equal(t, cli.ExitOK, command(t, nil, nil, program, "store", "restore", backup, "--data-dir", restored).code)
	require.Equal(t, cli.ExitFailure, command(t, nil, nil, program, "store", "restore", backup, "--data-dir", restored).code)
	s := start(t, append(configured(t, "jobs: {services: [audioProcessor]}"), "--data-dir", restored)...)
	for _, was := range done {
		answers(t, s.app(t), http.MethodGet, "/v1/jobs/"+was.ID+"/result", http.StatusOK, "")
	}
	answers(t, s.app(t), http.MethodGet, "/v1/jobs/"+waiting.ID, http.StatusOK, `"status":"queued"`)
	got := command(t, nil, nil, program, "store", "check", "--data-dir", restored)
	require.Equal(t, cli.ExitFailure, got.code)
	require.Contains(t, got.stderr, "is in use by process")
}
