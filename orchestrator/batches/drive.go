package batches

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// sealAt is how many ended items are noted together. Until then their jobs have the
	// outcomes.
	sealAt = 256
	// tick finds batches whose driver is gone, and queues that have places again.
	tick = time.Second
	// storeTimeout bounds a step of the driver.
	storeTimeout = 30 * time.Second
)

// errClaimLost is returned when another process drives the batch.
var errClaimLost = errors.New("another process drives the batch")

// drive turns the items of all batches into jobs, and notes the outcomes.
func (m *Manager) drive(ctx context.Context) {
	if !m.Database.AwaitReady(ctx) {
		return
	}
	drivers := make(map[string]*driver)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		m.driveAll(ctx, drivers)
		select {
		case <-m.wake:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// driveAll takes a step with every batch that needs one, the oldest first.
func (m *Manager) driveAll(ctx context.Context, drivers map[string]*driver) {
	running := make(map[string]bool)
	for _, batch := range m.all.Select(int(^uint(0)>>1), func(b Batch) bool { return m.needsStep(b) }) {
		if ctx.Err() != nil {
			return
		}
		if err := m.learn(ctx, batch); err != nil {
			m.report(ctx, batch.ID, "the segments of a batch could not be read", err)
			continue
		}
		if batch.Status.Terminal() {
			continue
		}
		running[batch.ID] = true
		d := drivers[batch.ID]
		if d == nil {
			d = &driver{manager: m, id: batch.ID}
			drivers[batch.ID] = d
		}
		if err := d.step(ctx, batch); err != nil {
			m.report(ctx, batch.ID, "a batch could not go on", err)
		}
	}
	for id := range drivers {
		if !running[id] {
			delete(drivers, id)
		}
	}
}

// needsStep reports whether a batch has not ended, or its segments must be read.
func (m *Manager) needsStep(b Batch) bool {
	if !b.Status.Terminal() {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[b.ID]
	return t != nil && t.unread()
}

// report logs an error, unless ctx has ended.
func (m *Manager) report(ctx context.Context, id, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, errClaimLost) {
		m.Log.Error(what, "batch", id, "error", err)
	}
}

// driver drives one batch. It is used by one goroutine.
type driver struct {
	manager *Manager
	id      string
	token   string
	// alive is when the claim was last written.
	alive time.Time
	items *reader
	// next is where the search for an item without a job continues.
	next int
}

// step claims the batch, submits what the queue has places for, and notes what has ended.
func (d *driver) step(ctx context.Context, b Batch) error {
	m := d.manager
	limit := storeTimeout
	if !m.store.Exclusive() {
		limit = min(limit, m.ClaimTimeout/2) // the claim is valid for longer
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	mine, err := d.claim(ctx, b)
	if err != nil || !mine {
		return err
	}
	if b.CancelRequested {
		if err := d.cancel(ctx); err != nil {
			return err
		}
	} else if err := d.pump(ctx); err != nil {
		return err
	}
	ended, open := m.endedItems(d.id)
	if len(ended) >= m.sealAt || open == len(ended) {
		return d.seal(ctx, ended)
	}
	return nil
}

// claim makes this process the driver, or renews that. It returns false if another one is.
func (d *driver) claim(ctx context.Context, b Batch) (bool, error) {
	m := d.manager
	mine := func(b Batch) bool { return b.Claim != nil && b.Claim.Token == d.token && d.token != "" }
	if mine(b) && (m.store.Exclusive() || time.Since(d.alive) < m.ClaimTimeout/4) {
		return true, nil
	}
	if b.Claim != nil && !mine(b) && b.Claim.Worker != m.worker && !m.store.Exclusive() && !m.silent(b) {
		return false, nil
	}
	token := d.token
	if token == "" || !mine(b) {
		token = rand.Text()
	}
	claimed, now := false, time.Now().UTC()
	written, err := m.all.Edit(ctx, d.id, func(found *Batch) (bool, error) {
		claimed = !found.Status.Terminal() && found.Revision == b.Revision
		found.Claim = &Claim{Worker: m.worker, Token: token, Since: now}
		return claimed, nil
	})
	if errors.Is(err, records.ErrMissing) {
		return false, nil
	}
	if err != nil || !claimed {
		return false, err
	}
	if token != d.token {
		d.items, d.next = m.newReader(written), 0
	}
	d.token, d.alive = token, now
	return true, nil
}

// silent reports whether the driver of a batch has shown no sign of life.
func (m *Manager) silent(b Batch) (silent bool) {
	m.all.Each(func(e records.Entry[Batch]) bool {
		if e.Value.ID == b.ID {
			silent = time.Since(e.Seen) > m.ClaimTimeout
			return false
		}
		return true
	})
	return silent
}

// pump turns items into jobs while the queue has places.
func (d *driver) pump(ctx context.Context) error {
	m := d.manager
	for range m.cfg.Window { // then what has ended is noted
		item, stale, found := d.choose()
		if !found {
			return nil
		}
		if m.Jobs.Queue(d.items.batch.Owner).Full {
			d.next = item // until a job leaves
			return nil
		}
		err := d.submit(ctx, item, stale)
		switch kind := services.KindOf(err); {
		case err == nil:
		case kind == services.KindInvalid, kind == services.KindUnsupported, kind == services.KindNotFound, kind == services.KindTooLarge:
			m.refuse(d.id, item, failureOf(err))
		case kind == services.KindBusy:
			d.next = item
			return nil
		default:
			d.next = item
			return err
		}
	}
	return nil
}

// choose returns the next item without a job, or with one that ended before the item was
// retried; found is false if there is none, or enough jobs wait.
func (d *driver) choose() (item int, stale *jobs.Job, found bool) {
	m := d.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[d.id]
	if t == nil || t.batch == nil {
		return 0, nil, false
	}
	waiting, settled := 0, 0
	for _, job := range t.live {
		if !t.batch.isStale(job) {
			settled++
		}
		if job.Status == jobs.StatusQueued {
			waiting++
		}
	}
	if waiting >= m.cfg.Window || t.batch.Items-t.ended() <= settled+len(t.refused) {
		return 0, nil, false
	}
	for range t.batch.Items {
		at := d.next % t.batch.Items
		d.next = at + 1
		if !t.isOpen(at) || t.refused[at] != nil {
			continue
		}
		job := t.live[at]
		if job == nil || t.batch.isStale(job) {
			return at, job, true
		}
	}
	return 0, nil, false
}

// submit makes the job of an item, or retries the one that ended before.
func (d *driver) submit(ctx context.Context, item int, stale *jobs.Job) error {
	m := d.manager
	if stale != nil && stale.Status != jobs.StatusSucceeded {
		_, err := m.items.Retry(ctx, stale.ID)
		if !errors.Is(err, jobs.ErrNotRetriable) {
			return err
		}
	}
	if stale != nil {
		if err := m.items.Remove(ctx, stale.ID); err != nil {
			return err
		}
	}
	one, err := d.items.item(ctx, item)
	if err != nil {
		return err
	}
	_, err = m.items.Submit(ctx, d.items.batch.submission(item, one))
	return err
}

// cancel cancels the jobs of the batch that have not ended.
func (d *driver) cancel(ctx context.Context) error {
	m := d.manager
	m.mu.Lock()
	var ids []string
	if t := m.trackers[d.id]; t != nil {
		for _, job := range t.live {
			if !job.Status.Terminal() && !job.CancelRequested {
				ids = append(ids, job.ID)
			}
		}
	}
	m.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		if err := m.items.Cancel(ctx, id); err != nil && services.KindOf(err) != services.KindNotFound {
			return err
		}
	}
	return nil
}

// refuse notes why an item could not become a job.
func (m *Manager) refuse(id string, item int, failure *jobs.Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracker(id)
	t.refused[item] = failure
	for f := range t.followers {
		f.add(item)
	}
}

// failureOf returns the reason for a client.
func failureOf(err error) *jobs.Failure {
	failure := &jobs.Failure{Kind: services.KindOf(err), Message: "failed unexpectedly"}
	var fault *services.Fault
	if errors.As(err, &fault) {
		failure.Message, failure.Fields = services.ClipDetail(fault.Detail()), services.ClipFields(fault.Fields)
	}
	return failure
}
