package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run SurviveKills -jobs 1000 -kills 50 -timeout 30m -v.
var (
	jobsToKill = flag.Int("jobs", 100, "jobs that are submitted while the server is killed")
	kills      = flag.Int("kills", 5, "times that it is killed")
	killSeed   = flag.Uint64("killseed", 1, "of the moments at which it is")
)

// phoenix is a server that is killed and started again on the same data.
type phoenix struct {
	args []string
	url  atomic.Value
	*server
}

func newPhoenix(t *testing.T, args ...string) *phoenix {
	t.Helper()
	p := &phoenix{args: append([]string{"--data-dir", t.TempDir()}, args...)}
	p.rise(t)
	return p
}

// rise restarts the server.
func (p *phoenix) rise(t *testing.T) {
	t.Helper()
	p.server = start(t, p.args...)
	p.url.Store(p.server.url)
}

// app returns a client that finds the current address of the server.
func (p *phoenix) app(t *testing.T) *application {
	t.Helper()
	return newApplication(t, func(int) string { return p.url.Load().(string) }) //nolint:forcetypeassert // it holds nothing else
}

// tally records what the clients know of the jobs.
type tally struct {
	mu sync.Mutex
	// ends are the final states of jobs as first seen.
	ends map[string]job
	done atomic.Int64
	// each is signalled when a job has ended.
	each chan struct{}
	// stop ends the load after a failure.
	stop context.CancelCauseFunc
}

// watched returns an empty tally, and a context of the load.
func watched(t *testing.T, timeout time.Duration) (context.Context, *tally) {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	bounded, cancel := context.WithTimeout(ctx, timeout)
	t.Cleanup(cancel)
	return bounded, &tally{ends: make(map[string]job), each: make(chan struct{}, 1), stop: stop}
}

// see records that a job has ended.
func (t *tally) see(j job) {
	t.mu.Lock()
	t.ends[j.ID] = j
	t.mu.Unlock()
	t.done.Add(1)
	select {
	case t.each <- struct{}{}:
	default:
	}
}

// reach waits until the given number of jobs have ended.
func (t *tally) reach(ctx context.Context, n int) error {
	for t.done.Load() < int64(n) {
		select {
		case <-t.each:
		case <-ctx.Done():
			return fmt.Errorf("%d jobs are done of %d: %w", t.done.Load(), n, context.Cause(ctx))
		}
	}
	return nil
}

// submitAll has many clients submit jobs of the mixture with keys that begin with the
// prefix. Each client waits for one job before it submits the next, and checks the result.
func submitAll(
	ctx context.Context, t *testing.T, app *application, mixture []work, prefix string, jobs, clients int, seen *tally,
) *sync.WaitGroup {
	t.Helper()
	var work sync.WaitGroup
	var next atomic.Int64
	for range clients {
		work.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= jobs || ctx.Err() != nil {
					return
				}
				j, err := submitOne(ctx, app, mixture[i%len(mixture)], fmt.Sprintf("%s-%d", prefix, i), i%4 == 0)
				if err != nil {
					seen.stop(fmt.Errorf("job %d: %w", i, err))
					return
				}
				seen.see(j)
			}
		})
	}
	return &work
}

// submitOne submits a job, twice if asked to, waits for it and compares its result.
func submitOne(ctx context.Context, app *application, w work, key string, twice bool) (job, error) {
	j, err := app.submit(ctx, w, "Idempotency-Key", key)
	if err != nil {
		return j, err
	}
	id := j.ID
	if twice {
		again, err := app.submit(ctx, w, "Idempotency-Key", key)
		if err != nil || again.ID != id {
			return again, fmt.Errorf("the same key gave job %s and then %s: %w", id, again.ID, err)
		}
	}
	if j, err = app.wait(ctx, id); err != nil {
		return j, err
	}
	if j.Status != "succeeded" {
		return j, fmt.Errorf("%s: job %s is %s: %+v", w.name, id, j.Status, j.Error)
	}
	got, err := app.result(ctx, id, w.format)
	if err == nil && got != w.want {
		err = fmt.Errorf("%s: job %s gave %.60q, the synchronous route %.60q", w.name, id, got, w.want)
	}
	return j, err
}

// TestJobsSurviveKills kills the server at random moments, some of them during a start,
// while clients submit jobs and retry.
func TestJobsSurviveKills(t *testing.T) {
	t.Parallel()
	// The attempts of a job are limited; the limit must not be reached by chance.
	p := newPhoenix(t, configured(t, "jobs: {maxRedeliveries: 1000, retry: {maxDelay: 2s}, webhooks: {allowPrivate: true}}")...)
	mixture := mixedWork(t, p.server)
	called := &hook{}
	for _, i := range []int{0, 5, 13, 20, 23} { // of each kind
		mixture = append(mixture, calling(t, mixture[i], called))
	}
	app := p.app(t)
	ctx, seen := watched(t, time.Duration(*jobsToKill+60*(*kills))*time.Second)
	began := time.Now()
	clients := submitAll(ctx, t, app, mixture, "key", *jobsToKill, 24, seen)
	spoken := converse(ctx, t, app, clients, soundClip(t, "clip00.wav"), seen)
	random := rand.New(rand.NewPCG(*killSeed, 0))
	starting := 0
	for killed := 0; killed < *kills; killed++ {
		require.NoError(t, seen.reach(ctx, *jobsToKill*killed/(*kills+1)))
		<-time.After(time.Duration(random.IntN(500)) * time.Millisecond)
		p.kill()
		for ; random.IntN(4) == 0 && killed+1 < *kills; killed++ {
			infant, _ := launch(t, p.args...)
			<-time.After(time.Duration(random.IntN(1000)) * time.Millisecond)
			infant.kill()
			starting++
		}
		p.rise(t)
	}
	clients.Wait()
	require.NoError(t, context.Cause(ctx))
	took := time.Since(began)

	// Reported results persist, also after a clean stop.
	require.NoError(t, p.stop(t), p.log)
	p.rise(t)
	spoken.check(t, app)
	checkCalls(t, app, called, 5*(*jobsToKill/len(mixture)))
	nothingLost(t, p)
	all, err := app.list(ctx, "")
	require.NoError(t, err)
	counts, lost := checkEnds(t, all, seen)
	t.Logf("%d jobs accepted, %d found, by end: %v; %d kills, %d of them during a start; %d attempts ended with the process; %d requests "+
		"came again; %s",
		len(seen.ends), len(all), counts, *kills, starting, lost, app.again.Load(), took.Round(time.Second))
	require.Len(t, all, *jobsToKill, "none twice")
	require.Len(t, seen.ends, *jobsToKill, "none lost")
	require.Equal(t, map[string]int{"succeeded": *jobsToKill}, counts)
}

// checkEnds compares the jobs of the list with those of the clients, and counts their final
// states and the attempts lost with the process.
func checkEnds(t *testing.T, all []job, seen *tally) (counts map[string]int, lost int) {
	t.Helper()
	counts = make(map[string]int)
	for _, j := range all {
		counts[j.Status]++
		first := seen.ends[j.ID]
		require.Equal(t, first.Finished, j.Finished, "job %s has one end", j.ID)
		successes := 0
		for _, attempt := range j.AttemptLog {
			switch attempt.Outcome {
			case "success":
				successes++
			case "lost":
				lost++
			}
		}
		require.Equal(t, 1, successes, "job %s came to its result once: %+v", j.ID, j.AttemptLog)
	}
	return counts, lost
}
