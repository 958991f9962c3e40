package jobs

import (
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// IsDue reports whether a webhook is to be delivered now by a process. In a store that only
// this process uses, the deliveries of an earlier one have ended with it.
func (c *Callback) IsDue(clock *records.Clock, worker string, exclusive bool) bool {
	if c == nil || c.State != CallbackPending {
		return false
	}
	return clock.Due(c.Next, lastRedelivery) || c.Worker != "" && c.Worker != worker && exclusive
}

// Reserved returns a copy of the webhook that is reserved for a process for some minutes.
func (c Callback) Reserved(worker string) *Callback {
	c.Next, c.Worker = time.Now().UTC().Add(deliveryClaim), worker
	return &c
}

// Note adds a delivery to the webhook's log and schedules the next one, of at most most.
// Deliveries of an earlier end, before a retry, do not count.
func (c *Callback) Note(status int, err error, most int) {
	delivery := Delivery{At: time.Now().UTC(), Status: status}
	c.Next, c.Worker = time.Time{}, ""
	n := len(c.Deliveries) - c.Earlier + 1
	switch {
	case err == nil:
		c.State = CallbackDelivered
	case n >= most || services.KindOf(err) == services.KindInvalid:
		delivery.Error, c.State = err.Error(), CallbackGivenUp
	default:
		delivery.Error = err.Error()
		c.Next = delivery.At.Add(backOff(RetryConfig{Delay: firstRedelivery, MaxDelay: lastRedelivery}, n))
	}
	c.Deliveries = append(c.Deliveries, delivery)
}

// End has the webhook delivered after an end.
func (c *Callback) End() { c.State, c.Earlier = CallbackPending, len(c.Deliveries) }

// Again has the webhook wait for the end after a retry.
func (c *Callback) Again() { c.State, c.Next = CallbackWaiting, time.Time{} }
