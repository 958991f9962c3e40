package batches

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"strings"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// sweepBatch bounds how many batches one sweep deletes.
const sweepBatch = 100

// unnamed returns a token for the names of objects that no record names yet. Sweeps leave
// these alone until release is called.
func (m *Manager) unnamed() (token string, release func()) {
	token = strings.ToLower(rand.Text())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing[token] = struct{}{}
	return token, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.writing, token)
	}
}

// sweep deletes finished batches that have expired, jobs whose outcomes are noted, and with
// orphans also objects and jobs of batches that do not exist.
func (m *Manager) sweep(ctx context.Context, orphans bool) {
	m.expire(ctx)
	for _, batch := range m.all.Select(math.MaxInt, func(Batch) bool { return true }) {
		if err := m.removeJobs(ctx, batch); err != nil {
			m.report(ctx, batch.ID, "the jobs of a batch could not be deleted", err)
		}
	}
	if orphans {
		m.removeLost(ctx)
		if err := m.removeOrphans(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("the stored batches could not be looked through", "error", err)
		}
	}
}

// expire deletes finished batches past their maximum age, and the oldest ones while all use
// more than the allowed bytes.
func (m *Manager) expire(ctx context.Context) {
	var used int64
	m.all.Each(func(e records.Entry[Batch]) bool { used += e.Value.bytes() + int64(e.Bytes); return true })
	over, now := used-int64(m.cfg.Retention.MaxBytes), m.Database.Clock.Now()
	for _, batch := range m.all.Select(sweepBatch, func(b Batch) bool {
		owes := b.Callback != nil && b.Callback.State == jobs.CallbackPending
		expired := b.Status.Terminal() && !owes && (over > 0 || now.Sub(b.Finished) > m.cfg.Retention.MaxAge)
		if expired {
			over -= b.bytes()
		}
		return expired
	}) {
		if err := m.remove(ctx, batch); err != nil && !errors.Is(err, records.ErrConflict) {
			m.report(ctx, batch.ID, "an expired batch could not be deleted", err)
		}
	}
}

// removeLost ends and deletes the jobs of batches that do not exist: their deletion was
// interrupted.
func (m *Manager) removeLost(ctx context.Context) {
	m.mu.Lock()
	var lost []string
	for _, t := range m.trackers {
		if t.batch == nil {
			lost = append(lost, t.jobs()...)
		}
	}
	m.mu.Unlock()
	for _, id := range lost {
		err := m.items.Cancel(ctx, id)
		if err == nil {
			err = m.items.Remove(ctx, id)
		}
		if err != nil && !errors.Is(err, jobs.ErrNotFinished) && ctx.Err() == nil {
			m.Log.Error("a job of a deleted batch could not be deleted", "job", id, "error", err)
		}
	}
}

// removeOrphans deletes objects that no record names: their submission was interrupted, or
// their outcomes were noted in another segment.
func (m *Manager) removeOrphans(ctx context.Context) error {
	// The objects first: what is named later is not among them.
	names, err := m.store.Objects(ctx)
	if err != nil {
		return err
	}
	named := make(map[string]bool)
	m.mu.Lock()
	writing := make(map[string]bool, len(m.writing))
	for token := range m.writing {
		writing[token] = true
	}
	m.mu.Unlock()
	m.all.Each(func(e records.Entry[Batch]) bool {
		for _, name := range e.Value.objects() {
			named[name] = true
		}
		return true
	})
	for _, name := range names {
		rest, ours := strings.CutPrefix(name, objectPrefix)
		token, _, _ := strings.Cut(rest, "-")
		if !ours || named[name] || writing[token] {
			continue
		}
		if err := m.store.DeleteObject(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a batch: the record first, so that none names deleted objects.
func (m *Manager) remove(ctx context.Context, b Batch) error {
	if err := m.all.Delete(ctx, b); err != nil {
		return err
	}
	var errs []error
	for _, name := range b.objects() {
		errs = append(errs, m.store.DeleteObject(ctx, name))
	}
	m.mu.Lock()
	var ids []string
	if t := m.trackers[b.ID]; t != nil {
		ids = t.jobs()
	}
	m.mu.Unlock()
	for _, id := range ids {
		errs = append(errs, m.items.Remove(ctx, id))
	}
	if err := errors.Join(errs...); err != nil {
		// No record names it, so a sweep removes it.
		m.Log.Warn("a deleted batch could not be removed as a whole", "batch", b.ID, "error", err)
	}
	return nil
}
