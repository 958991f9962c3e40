package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// received is what a follower of many jobs has received.
type received struct {
	list []jobs.Job
	mark jobs.Revision
}

// feed follows jobs in the background and returns what it receives.
func (b *bundle) feed(t *testing.T, f jobs.Filter, after jobs.Revision) <-chan received {
	t.Helper()
	got, ended := make(chan received), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		ended <- b.Feed(ctx, f, after, func(list []jobs.Job, mark jobs.Revision) error {
			select {
			case got <- received{list, mark}:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Error("the feed does not end")
		}
	})
	return got
}

// ends reads until every given job has ended, and returns the last revision.
func ends(t *testing.T, got <-chan received, ids ...string) (mark jobs.Revision, seen map[string]int) {
	t.Helper()
	open := make(map[string]bool)
	for _, id := range ids {
		open[id] = true
	}
	seen = make(map[string]int)
	for len(open) > 0 {
		select {
		case one := <-got:
			require.GreaterOrEqual(t, one.mark, mark)
			mark = one.mark
			for i, job := range one.list {
				if i > 0 {
					require.Greater(t, job.Revision, one.list[i-1].Revision)
				}
				seen[job.ID]++
				if job.Status.Terminal() {
					delete(open, job.ID)
				}
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d jobs do not end", len(open))
		}
	}
	return mark, seen
}

func TestManyJobsAreFollowedTogether(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("done")})
	before := b.end(t, b.submit(t, jobs.Submission{Labels: map[string]string{"batch": "1"}}).ID)
	got := b.feed(t, jobs.Filter{Labels: map[string]string{"batch": "1"}}, 0)
	require.Empty(t, (<-got).list, "finished jobs are not part of the beginning")

	one := b.submit(t, jobs.Submission{Labels: map[string]string{"batch": "1"}})
	other := b.submit(t, jobs.Submission{Labels: map[string]string{"batch": "2"}})
	two := b.submit(t, jobs.Submission{Labels: map[string]string{"batch": "1"}})
	mark, seen := ends(t, got, one.ID, two.ID)
	require.NotContains(t, seen, other.ID)
	require.NotContains(t, seen, before.ID)

	// Who was away meanwhile also receives what has ended.
	three := b.end(t, b.submit(t, jobs.Submission{Labels: map[string]string{"batch": "1"}}).ID)
	resumed := b.feed(t, jobs.Filter{Labels: map[string]string{"batch": "1"}}, mark)
	_, seen = ends(t, resumed, three.ID)
	require.Contains(t, seen, three.ID)
	_, seen = ends(t, b.feed(t, jobs.Filter{}, 1<<40), b.submit(t, jobs.Submission{}).ID)
	require.NotContains(t, seen, three.ID, "a revision of another store begins anew")
}

func TestAFeedShowsJobsOfItsOwnerOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("done")})
	got := b.feed(t, jobs.Filter{Owner: "me"}, 0)
	require.Empty(t, (<-got).list)
	theirs := b.submit(t, jobs.Submission{Owner: "them"})
	mine := b.submit(t, jobs.Submission{Owner: "me"})
	_, seen := ends(t, got, mine.ID)
	require.NotContains(t, seen, theirs.ID)
}

func TestAFeedEndsWithItsFollowerAndWithTheIntake(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("done")})
	stop := errors.New("enough")
	require.ErrorIs(t, b.Feed(t.Context(), jobs.Filter{}, 0, func([]jobs.Job, jobs.Revision) error { return stop }), stop)
	ended, begun := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		ended <- b.Feed(context.WithoutCancel(t.Context()), jobs.Filter{}, 0, func([]jobs.Job, jobs.Revision) error {
			begun <- struct{}{}
			return nil
		})
	}()
	<-begun
	b.StopIntake()
	require.ErrorIs(t, <-ended, jobs.ErrStopping)
}
