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
	// deliverers is how many webhooks are under way at once.
	deliverers = 8
	// firstRedelivery is the wait after the first failed delivery, doubled for
	// each further one up to lastRedelivery.
	firstRedelivery = 5 * time.Second
	lastRedelivery  = 30 * time.Minute
	// deliveryClaim is how long a delivery under way is left alone by others.
	deliveryClaim = 2 * time.Minute
)

// deliver sends webhooks whenever one is due. A job's end and the debt of its
// webhook are one write, so a crash in between cannot lose it; a crash after the
// receiver has answered makes it come again, under the same id.
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

// dueCallbacks lists the jobs whose webhook is to be sent now.
func (m *Manager) dueCallbacks() (ids []string) {
	now := time.Now()
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if job.owesCallback() && !job.Callback.Next.After(now) {
			ids = append(ids, job.ID)
		}
		return true
	})
	return ids
}

// claimDelivery keeps other processes, and the next look, from the same webhook
// for a while.
func (m *Manager) claimDelivery(id string) bool {
	ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
	defer cancel()
	claimed := false
	_, err := m.edit(ctx, id, func(job *Job) (bool, error) {
		claimed = job.owesCallback() && !job.Callback.Next.After(time.Now())
		if claimed {
			callback := *job.Callback
			callback.Next = time.Now().UTC().Add(deliveryClaim)
			job.Callback = &callback
		}
		return claimed, nil
	})
	if err != nil && services.KindOf(err) != services.KindNotFound && m.intake.Err() == nil {
		m.Log.Error("a webhook could not be claimed", "job", id, "error", err)
	}
	return err == nil && claimed
}

// deliverOne sends one webhook and notes what came of it.
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
		m.note(job, status, sendErr)
		return true, nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		m.Log.Error("the delivery of a webhook could not be noted", "job", id, "error", err)
	}
}

// endID names this end of the job: a retried job has a further one, which a
// receiver must not take for a repetition.
func (j Job) endID() string { return fmt.Sprintf("%s-%d", j.ID, j.Finished.UnixMilli()) }

// note enters a delivery into the webhook's log and decides what follows. The
// tries of an earlier end, before a retry, do not count.
func (m *Manager) note(job *Job, status int, err error) {
	callback, delivery := job.Callback, Delivery{At: time.Now().UTC(), Status: status}
	callback.Next = time.Time{}
	n := 1
	for _, before := range callback.Deliveries {
		if !before.At.Before(job.Finished) {
			n++
		}
	}
	switch {
	case err == nil:
		callback.State = CallbackDelivered
	case n >= m.MaxDeliveries || services.KindOf(err) == services.KindInvalid:
		delivery.Error, callback.State = err.Error(), CallbackGivenUp
	default:
		delivery.Error = err.Error()
		callback.Next = delivery.At.Add(backOff(RetryConfig{Delay: firstRedelivery, MaxDelay: lastRedelivery}, n))
	}
	callback.Deliveries = append(callback.Deliveries, delivery)
}
