package api

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// life returns the states of a job and what is expected of its event stream.
func life() (states []jobs.Job) {
	at := func(revision jobs.Revision, status jobs.Status, change func(*jobs.Job)) {
		job := in(queued("job_1"), status)
		job.Revision = revision
		change(&job)
		states = append(states, job)
	}
	attempt := []jobs.Attempt{{Started: queued("").Created, Worker: "w"}}
	at(3, jobs.StatusQueued, func(*jobs.Job) {})
	at(4, jobs.StatusRunning, func(j *jobs.Job) { j.Attempts = attempt })
	at(6, jobs.StatusRunning, func(j *jobs.Job) {
		j.Attempts, j.Progress, j.Stage, j.SecondsLeft = attempt, 0.5, "transcribe", 4.5
	})
	at(7, jobs.StatusRunning, func(j *jobs.Job) {
		j.Attempts, j.Progress, j.Stage, j.SecondsLeft, j.Claim = attempt, 0.5, "transcribe", 4.5, &jobs.Claim{}
	})
	at(8, jobs.StatusRunning, func(j *jobs.Job) {
		j.Attempts, j.Progress, j.Stage, j.CancelRequested = attempt, 0.75, "transcribe", true
	})
	at(9, jobs.StatusCancelled, func(j *jobs.Job) { j.Attempts, j.Progress = attempt, 0.75 })
	return states
}

// lives is a script with a job whose states already exist.
func lives(states []jobs.Job) *scriptedJobs {
	return &scriptedJobs{
		get: func(_, _ string) (jobs.Job, error) { return states[len(states)-1], nil },
		follow: func(_ context.Context, after jobs.Revision, changed func(jobs.Job) error) error {
			for _, job := range states {
				if job.Revision > after {
					if err := changed(job); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}

// lines returns the lines of a stream except data lines.
func lines(stream string) []string {
	var list []string
	for _, line := range strings.Split(stream, "\n") {
		if line != "" && !strings.HasPrefix(line, "data: ") {
			list = append(list, line)
		}
	}
	return list
}

func TestAJobIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, lives(life()))
	response, body := b.call(t, "GET", "/v1/jobs/job_1/events", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	require.Equal(t, []string{
		"retry: 2000", "id: 3", "event: state", "id: 4", "event: state", "id: 6", "event: progress", "id: 8", "event: state", "id: 9",
		"event: end",
	}, lines(body), "the seventh revision shows nothing new")
	require.Contains(t, body, `event: progress
data: {"attempts":1,"id":"job_1","progress":0.5,"seconds_left":4.5,"stage":"transcribe","status":"running"}
`)
	require.Contains(t, body, `"cancel_requested":true`)
}

func TestAStreamGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, lives(life()))
	_, body := b.call(t, "GET", "/v1/jobs/job_1/events", "", "Last-Event-ID", "6")
	require.Equal(t, []string{"retry: 2000", "id: 7", "event: state", "id: 8", "event: state", "id: 9", "event: end"}, lines(body))
	response, body := b.call(t, "GET", "/v1/jobs/job_1/events", "", "Last-Event-ID", "9")
	require.Equal(t, http.StatusNoContent, response.StatusCode, "an EventSource stops at 204")
	require.Empty(t, body)
	_, body = b.call(t, "GET", "/v1/jobs/job_1/events", "", "Last-Event-ID", "1000")
	require.Contains(t, body, "id: 3\n", "an id that this store never gave")
	for _, id := range []string{"x", "-1", "99999999999999999999"} {
		response, body = b.call(t, "GET", "/v1/jobs/job_1/events", "", "Last-Event-ID", id)
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		require.Contains(t, body, "Last-Event-ID")
	}
}

// open starts a stream.
func open(ctx context.Context, t *testing.T, url string) *bufio.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/jobs/job_1/events", nil)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return bufio.NewReader(response.Body)
}

// until reads lines until one is found.
func until(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if strings.TrimSpace(line) == want {
			return
		}
	}
}

// TestEventsComeWhenTheyHappen delays each state until the previous one has been read, for
// longer than the write timeout.
func TestEventsComeWhenTheyHappen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		states := life()
		next := make(chan jobs.Job)
		script := &scriptedJobs{
			get: func(_, _ string) (jobs.Job, error) { return states[0], nil },
			follow: func(_ context.Context, _ jobs.Revision, changed func(jobs.Job) error) error {
				for job := range next {
					if err := changed(job); err != nil {
						return err
					}
				}
				return nil
			},
		}
		conn := pacedServer(t, says("unused"), func(c *Config, d *Dependencies) {
			c.WriteTimeout = 20 * time.Second
			d.Jobs, d.Services = script, orchestrator.NewRegistry(d.Log)
		})
		_, err := io.WriteString(conn, "GET /v1/jobs/job_1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer response.Body.Close()
		// A client reads on while nothing happens.
		lines := make(chan string, 1000)
		go func() {
			defer close(lines)
			for text := bufio.NewScanner(response.Body); text.Scan(); {
				lines <- text.Text()
			}
		}()
		await := func(want string) {
			for line := range lines {
				if line == want {
					return
				}
			}
			require.Fail(t, "the stream has ended without "+want)
		}
		await("retry: 2000")
		for i, id := range []string{"id: 3", "id: 4", "id: 6"} {
			time.Sleep(30 * time.Second)
			next <- states[i]
			came := time.Now()
			await(id)
			require.Equal(t, came, time.Now(), "at once")
		}
		close(next)
		for range lines { // to its end
			continue
		}
	})
}

// blocked is a script with a job that does not change; ended receives the error of each
// follower.
func blocked() (script *scriptedJobs, ended chan error) {
	ended = make(chan error, 1)
	return &scriptedJobs{
		get: func(_, _ string) (jobs.Job, error) { return queued("job_1"), nil },
		follow: func(ctx context.Context, _ jobs.Revision, changed func(jobs.Job) error) error {
			err := changed(queued("job_1"))
			<-ctx.Done()
			ended <- ctx.Err()
			return err
		},
	}, ended
}

func TestAHangUpEndsTheFollowing(t *testing.T) {
	t.Parallel()
	script, ended := blocked()
	b := setupJobs(t, script)
	ctx, hangUp := context.WithCancel(t.Context())
	stream := open(ctx, t, b.url)
	until(t, stream, "event: state")
	hangUp()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// TestAStoppingServerEndsStreams blocks for the drain timeout if streams do not end.
func TestAStoppingServerEndsStreams(t *testing.T) {
	t.Parallel()
	script, ended := blocked()
	checked, err := contract()
	require.NoError(t, err)
	cfg := DefaultConfig()
	cfg.Listen, cfg.DrainTimeout = "127.0.0.1:0", time.Hour
	log := slog.New(slog.DiscardHandler)
	handler, err := NewHandler(cfg, Dependencies{Jobs: script, Services: orchestrator.NewRegistry(log), Contract: checked.text, Log: log})
	require.NoError(t, err)
	listener, err := Listen(t.Context(), cfg)
	require.NoError(t, err)
	server := NewServer(cfg, listener, handler, log)
	require.NoError(t, server.Start(t.Context()))
	stream := open(t.Context(), t, "http://"+listener.Addr().String())
	until(t, stream, "event: state")
	require.NoError(t, server.Stop(t.Context()))
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = io.ReadAll(stream)
	require.NoError(t, err, "the stream ends in good order, and the client comes back")
}
