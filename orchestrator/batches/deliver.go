package batches

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// deliver sends webhooks when they are due. As with jobs, the end of a batch and its pending
// webhook are written together, and one that may have been sent is sent again under the same
// id.
func (m *Manager) deliver(ctx context.Context) {
	if !m.Database.AwaitReady(ctx) {
		return
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var due []string
		m.all.Each(func(e records.Entry[Batch]) bool {
			if m.isDue(e.Value) {
				due = append(due, e.Value.ID)
			}
			return true
		})
		for _, id := range due {
			if err := m.deliverOne(ctx, id); err != nil {
				m.report(ctx, id, "the webhook of a batch could not be delivered", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// isDue reports whether the webhook of a batch is to be delivered now.
func (m *Manager) isDue(b Batch) bool {
	return b.Callback.IsDue(m.Database.Clock, m.worker, m.store.Exclusive())
}

// deliverOne reserves a webhook, sends it and records the outcome.
func (m *Manager) deliverOne(ctx context.Context, id string) error {
	reserved := false
	b, err := m.all.Edit(ctx, id, func(b *Batch) (bool, error) {
		if reserved = m.isDue(*b); reserved {
			b.Callback = b.Callback.Reserved(m.worker)
		}
		return reserved, nil
	})
	if err != nil || !reserved {
		return ignoreMissing(err)
	}
	body, err := m.Encode(m.view(b))
	if err != nil {
		return err
	}
	status, sendErr := m.Sender.Send(ctx, b.Callback.URL, fmt.Sprintf("%s-%d", b.ID, b.Finished.UnixMilli()), body)
	if ctx.Err() != nil && sendErr != nil {
		return ctx.Err() // it is sent again after the restart
	}
	noted, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, err = m.all.Edit(noted, id, func(b *Batch) (bool, error) {
		if b.Callback == nil || b.Callback.State != jobs.CallbackPending {
			return false, nil
		}
		b.Callback.Note(status, sendErr, m.MaxDeliveries)
		return true, nil
	})
	return ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, records.ErrMissing) {
		return nil
	}
	return err
}
