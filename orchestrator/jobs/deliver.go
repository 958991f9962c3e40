package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// deliverers is how many webhooks are delivered at once.
	deliverers = 8
	// firstRedelivery is the wait after the first failed delivery, doubled for
	// each further one up to lastRedelivery.
	firstRedelivery = 5 * time.Second
	lastRedelivery  = 30 * time.Minute
	// deliveryClaim is how long a running delivery is reserved for its process.
	deliveryClaim = 2 * time.Minute
)

// deliver sends webhooks when they are due. A job's end and its pending webhook are
// written together, so a crash cannot lose the webhook. After a crash between the
// receiver's answer and its record it is sent again, under the same id.
func (m *Manager) deliver() {
	if !m.Database.AwaitReady(m.intake) {
		return
	}
	slots := make(chan struct{}, deliverers)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		for _, id := range m.dueCallbacks() {
			select {
			case slots <- struct{}{}:
			case <-m.intake.Done():
				return
			}
			if !m.claimDelivery(id) {
				<-slots
				continue
			}
			m.background.Go(func() {
				defer func() { <-slots }()
				m.deliverOne(id)
			})
		}
		select {
		case <-m.wakeCallback:
		case <-ticker.C:
		case <-m.intake.Done():
			return
		}
	}
}

// dueCallbacks returns the jobs whose webhook is due.
func (m *Manager) dueCallbacks() (ids []string) {
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if m.dueCallback(job) {
			ids = append(ids, job.ID)
		}
		return true
	})
	return ids
}

// dueCallback reports whether a webhook is to be delivered now.
func (m *Manager) dueCallback(job Job) bool {
	return job.Callback.IsDue(m.Database.Clock, m.worker, m.store.Exclusive())
}

// claimDelivery reserves the webhook for this process for deliveryClaim.
func (m *Manager) claimDelivery(id string) bool {
	ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
	defer cancel()
	claimed := false
	_, err := m.edit(ctx, id, func(job *Job) (bool, error) {
		claimed = m.dueCallback(*job)
		if claimed {
			job.Callback = job.Callback.Reserved(m.worker)
		}
		return claimed, nil
	})
	if err != nil && services.KindOf(err) != services.KindNotFound && m.intake.Err() == nil {
		m.Log.Error("a webhook could not be claimed", "job", id, "error", err)
	}
	return err == nil && claimed
}

// deliverOne sends one webhook and records the outcome.
func (m *Manager) deliverOne(id string) {
	job, err := m.load(m.intake, id)
	if err != nil || !job.owesCallback() {
		return
	}
	body, err := m.Encode(job)
	if err != nil {
		m.Log.Error("a webhook could not be encoded", "job", id, "error", err)
		return
	}
	status, sendErr := m.Sender.Send(m.intake, job.Callback.URL, job.endID(), body)
	if m.intake.Err() != nil && sendErr != nil {
		return // it is sent again after the restart
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	_, err = m.edit(ctx, id, func(job *Job) (bool, error) {
		if !job.owesCallback() {
			return false, nil
		}
		job.Callback.Note(status, sendErr, m.MaxDeliveries)
		return true, nil
	})
	if err != nil && !errors.Is(err, context.Canceled) && services.KindOf(err) != services.KindNotFound {
		m.Log.Error("the delivery of a webhook could not be noted", "job", id, "error", err)
	}
}

// endID identifies this end of the job: a retried job has another one, which a receiver
// must not mistake for a repetition.
func (j Job) endID() string { return fmt.Sprintf("%s-%d", j.ID, j.Finished.UnixMilli()) }
