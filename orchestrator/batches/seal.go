package batches

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// endedItem is an item whose outcome is not in the record yet: of a job, or a refusal. Neither
// is set for an item that was cancelled before it became a job.
type endedItem struct {
	item    int
	job     *jobs.Job
	refused *jobs.Failure
}

// endedItems returns the items that have ended and are open in the record, by their place, and
// how many are open in all.
func (m *Manager) endedItems(id string) (ended []endedItem, open int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[id]
	if t == nil || t.batch == nil {
		return nil, -1
	}
	open = t.batch.Items - t.ended()
	for item, job := range t.live {
		if job.Status.Terminal() && !t.batch.isStale(job) && t.isOpen(item) {
			ended = append(ended, endedItem{item: item, job: job})
		}
	}
	for item, failure := range t.refused {
		ended = append(ended, endedItem{item: item, refused: failure})
	}
	if t.batch.CancelRequested {
		for item := range t.batch.Items {
			job := t.live[item]
			if t.isOpen(item) && t.refused[item] == nil && (job == nil || t.batch.isStale(job)) {
				ended = append(ended, endedItem{item: item})
			}
		}
	}
	slices.SortFunc(ended, func(a, b endedItem) int { return cmp.Compare(a.item, b.item) })
	return ended, open
}

// seal writes the outcomes as a segment, names it in the record, which is then what counts,
// and deletes the jobs that have nothing more to report. A process that ends in between leaves
// a segment without a name, or jobs whose items have ended.
func (d *driver) seal(ctx context.Context, ended []endedItem) error {
	m := d.manager
	token, release := m.unnamed()
	defer release()
	segment, sounds, states, err := m.writeOutcomes(ctx, fmt.Sprintf("%s%s-out", objectPrefix, token), ended)
	if err != nil {
		return err
	}
	written, err := m.all.Edit(ctx, d.id, func(b *Batch) (bool, error) {
		if b.Claim == nil || b.Claim.Token != d.token {
			return false, errClaimLost
		}
		if slices.ContainsFunc(b.Outputs, func(s Segment) bool { return s.Object == segment.Object }) {
			return false, nil // a write that seemed to fail
		}
		b.States = slices.Clone(b.States)
		for item, state := range states {
			b.States.set(item, state)
		}
		if segment.Items > 0 {
			b.Outputs = append(slices.Clone(b.Outputs), segment)
		}
		b.Sounds += len(sounds)
		if n := b.States.counts(); n[stateSucceeded]+n[stateFailed]+n[stateCancelled] == b.Items {
			b.conclude()
		}
		return true, nil
	})
	if errors.Is(err, errClaimLost) {
		return errors.Join(err, m.store.DeleteObject(context.WithoutCancel(ctx), segment.Object))
	}
	if err != nil {
		return err // it may have been written; if not, a sweep removes the segment
	}
	m.mu.Lock()
	if t := m.trackers[d.id]; t != nil && t.outputs == len(written.Outputs)-1 {
		t.sounds, t.outputs = append(t.sounds, sounds...), len(written.Outputs)
	}
	m.mu.Unlock()
	if written.Status.Terminal() {
		m.Log.Info("batch ended", "batch", d.id, "status", string(written.Status), "items", written.Items)
	}
	return m.removeJobs(ctx, written)
}

// writeOutcomes writes the outcomes as a segment, and returns the sounds they name and the
// states. A segment without outcomes is not written.
func (m *Manager) writeOutcomes(ctx context.Context, object string, ended []endedItem) (Segment, []audioID, map[int]state, error) {
	segment := Segment{Object: object}
	states, sounds := make(map[int]state, len(ended)), []audioID(nil)
	r, w := io.Pipe()
	var encoded error
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffered := bufio.NewWriter(w)
		encoder := json.NewEncoder(buffered)
		encoder.SetEscapeHTML(false)
		for _, one := range ended {
			out, ok, err := m.outcome(ctx, one)
			if err == nil {
				states[one.item] = stateOf(out.Status)
				if ok {
					sounds = append(sounds, soundIDs(out)...)
					segment.Items++
					err = encoder.Encode(out)
				}
			}
			if err != nil {
				encoded = err
				w.CloseWithError(err)
				return
			}
		}
		w.CloseWithError(buffered.Flush()) // EOF for nil
	}()
	counted := &counting{r: r}
	staged, err := m.store.Stage(ctx, counted)
	r.CloseWithError(io.ErrClosedPipe) // ends the writer if the store has given up
	<-done
	segment.Bytes = counted.n
	switch {
	case encoded != nil && err == nil:
		err = errors.Join(encoded, staged.Discard(context.WithoutCancel(ctx)))
	case encoded != nil && !errors.Is(encoded, io.ErrClosedPipe):
		err = encoded
	case err != nil:
		err = records.OrFull(m.store, err, services.Bytes(counted.n))
	case segment.Items == 0:
		err = staged.Discard(ctx)
	default:
		err = staged.Commit(ctx, segment.Object)
	}
	return segment, sounds, states, err
}

// counting counts the bytes that are read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// outcome returns how an item has ended; ok is false if there is nothing to note but that it
// was cancelled.
func (m *Manager) outcome(ctx context.Context, one endedItem) (out Outcome, ok bool, err error) {
	switch {
	case one.refused != nil:
		return refusal(one.item, one.refused), true, nil
	case one.job == nil || !one.job.Status.Terminal():
		return Outcome{Item: one.item, Status: jobs.StatusCancelled}, false, nil
	}
	job, err := m.items.Get(ctx, one.job.ID)
	switch {
	case services.KindOf(err) == services.KindNotFound:
		// Only a lost store or an operator deletes it.
		failure := &jobs.Failure{Kind: services.KindInternal, Message: "the record of the job was deleted before its outcome was noted"}
		return refusal(one.item, failure), true, nil
	case err != nil:
		return out, false, err
	}
	out = outcomeOf(job)
	if job.Status != jobs.StatusSucceeded {
		return out, true, nil
	}
	_, out.Result, err = m.items.Result(ctx, job.ID)
	if services.KindOf(err) == services.KindInternal {
		out.Status, out.Failure, out.Sounds = jobs.StatusFailed, failureOf(err), nil
		err = nil
	}
	return out, true, err
}

// removeJobs deletes the jobs of items that have ended, except for failed ones, which can be
// looked at and retried.
func (m *Manager) removeJobs(ctx context.Context, b Batch) error {
	m.mu.Lock()
	var ids []string
	if t := m.trackers[b.ID]; t != nil {
		for _, job := range t.retained {
			if job.Status.Terminal() && job.Status != jobs.StatusFailed {
				ids = append(ids, job.ID)
			}
		}
	}
	m.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		if err := m.items.Remove(ctx, id); err != nil && !errors.Is(err, jobs.ErrNotFinished) {
			return err
		}
	}
	return nil
}
