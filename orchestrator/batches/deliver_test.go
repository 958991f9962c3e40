package batches

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// sender delivers webhooks to a receiver whose answers the test sets.
type sender struct {
	answer func() (int, error)
	sent   []string
	at     []time.Duration
	start  time.Time
}

func (s *sender) CheckURL(string) error { return nil }

func (s *sender) Send(_ context.Context, url, id string, body []byte) (int, error) {
	s.sent, s.at = append(s.sent, fmt.Sprint(url, " ", id, " ", string(body))), append(s.at, time.Since(s.start))
	return s.answer()
}

// delivering is bare, with a batch that owes a webhook and a sender.
func delivering(t *testing.T, store records.Store, do func(t *testing.T, m *Manager, s *sender)) {
	t.Helper()
	bare(t, store, func(t *testing.T, m *Manager) {
		s := &sender{start: time.Now(), answer: func() (int, error) { return 200, nil }}
		m.Sender, m.MaxDeliveries = s, 3
		m.Encode = func(v View) ([]byte, error) { return []byte(v.Status), nil }
		add(t, m, Batch{
			ID: "b", Status: StatusFailed, Finished: time.UnixMilli(7), Callback: &jobs.Callback{URL: "http://x", State: jobs.CallbackPending},
		})
		add(t, m, Batch{ID: "none", Status: StatusFailed})
		add(t, m, Batch{ID: "waits", Callback: &jobs.Callback{URL: "http://y", State: jobs.CallbackWaiting}})
		do(t, m, s)
	})
}

func callback(t *testing.T, m *Manager) jobs.Callback {
	t.Helper()
	b, err := m.all.Load(t.Context(), "b")
	require.NoError(t, err)
	return *b.Callback
}

var errReceiver = errors.New("the receiver is broken")

// TestAWebhookIsSentUntilItArrives or has been tried often enough, or is refused for good.
func TestAWebhookIsSentUntilItArrives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails int
		with  error
		sent  int
		state jobs.CallbackState
	}{
		"at once":              {0, nil, 1, jobs.CallbackDelivered},
		"after a failure":      {1, errReceiver, 2, jobs.CallbackDelivered},
		"after two failures":   {2, errReceiver, 3, jobs.CallbackDelivered},
		"never":                {3, errReceiver, 3, jobs.CallbackGivenUp},
		"never, as it is gone": {1, services.Invalidf("callback_url", "is private"), 1, jobs.CallbackGivenUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delivering(t, recordstest.NewMemory(), func(t *testing.T, m *Manager, s *sender) {
				s.answer = func() (int, error) {
					if len(s.sent) <= c.fails {
						return 500, c.with
					}
					return 200, nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); m.deliver(ctx) }()
				time.Sleep(10 * time.Minute)
				cancel()
				<-ended
				require.Len(t, s.sent, c.sent)
				require.Zero(t, s.at[0], "it was due")
				for _, one := range s.sent {
					require.Equal(t, "http://x b-7 failed", one)
				}
				now := callback(t, m)
				require.Equal(t, c.state, now.State)
				require.Len(t, now.Deliveries, c.sent)
				require.Empty(t, now.Worker)
				for i := 1; i < len(s.at); i++ {
					require.Greater(t, s.at[i]-s.at[i-1], time.Second, "there is a pause")
				}
			})
		})
	}
}

// TestAWebhookIsReservedWhileItIsSent so that no other process sends it too.
func TestAWebhookIsReservedWhileItIsSent(t *testing.T) {
	t.Parallel()
	delivering(t, together{recordstest.NewMemory()}, func(t *testing.T, m *Manager, s *sender) {
		s.answer = func() (int, error) {
			now := callback(t, m)
			require.Equal(t, "me", now.Worker)
			require.True(t, now.Next.After(time.Now()))
			b, err := m.all.Load(t.Context(), "b")
			require.NoError(t, err)
			require.False(t, m.isDue(b))
			require.NoError(t, m.deliverOne(t.Context(), "b"))
			return 200, nil
		}
		require.NoError(t, m.deliverOne(t.Context(), "b"))
		require.Len(t, s.sent, 1)
		require.NoError(t, m.deliverOne(t.Context(), "b"))
		require.NoError(t, m.deliverOne(t.Context(), "none"))
		require.NoError(t, m.deliverOne(t.Context(), "waits"))
		require.NoError(t, m.deliverOne(t.Context(), "unknown"))
		require.Len(t, s.sent, 1)
	})
}

func TestADeliveryThatAStopInterrupts(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"sent": nil, "not sent": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delivering(t, recordstest.NewMemory(), func(t *testing.T, m *Manager, s *sender) {
				ctx, cancel := context.WithCancel(t.Context())
				s.answer = func() (int, error) { cancel(); return 200, failure }
				require.ErrorIs(t, m.deliverOne(ctx, "b"), failure)
				now := callback(t, m)
				if failure == nil {
					require.Equal(t, jobs.CallbackDelivered, now.State, "what has arrived is noted")
					return
				}
				require.Equal(t, jobs.CallbackPending, now.State)
				require.Empty(t, now.Deliveries)
			})
		})
	}
}

// TestADeliveryThatCannotBeNoted has each call of the store fail, the batch retried or deleted
// while its webhook is sent, and a body that cannot be made.
func TestADeliveryThatCannotBeNoted(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		delivering(t, store, func(t *testing.T, m *Manager, _ *sender) {
			fault := store.Arm(nth)
			err := m.deliverOne(t.Context(), "b")
			store.Disarm()
			if nth > 0 {
				require.ErrorIs(t, err, fault)
				require.Equal(t, jobs.CallbackPending, callback(t, m).State)
				return
			}
			require.NoError(t, err)
		})
	})
	for name, change := range map[string]func(b *Batch) (bool, error){
		"retried":                        func(b *Batch) (bool, error) { b.Callback.Again(); return true, nil },
		"without a webhook, as it seems": func(b *Batch) (bool, error) { b.Callback = nil; return true, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delivering(t, recordstest.NewMemory(), func(t *testing.T, m *Manager, s *sender) {
				s.answer = func() (int, error) {
					_, err := m.all.Edit(t.Context(), "b", change)
					require.NoError(t, err)
					return 200, nil
				}
				require.NoError(t, m.deliverOne(t.Context(), "b"))
				b, err := m.all.Load(t.Context(), "b")
				require.NoError(t, err)
				if b.Callback != nil {
					require.Equal(t, jobs.CallbackWaiting, b.Callback.State)
					require.Empty(t, b.Callback.Deliveries)
				}
			})
		})
	}
	delivering(t, recordstest.NewMemory(), func(t *testing.T, m *Manager, s *sender) {
		s.answer = func() (int, error) {
			b, err := m.all.Load(t.Context(), "b")
			require.NoError(t, err)
			require.NoError(t, m.all.Delete(t.Context(), b))
			return 200, nil
		}
		require.NoError(t, m.deliverOne(t.Context(), "b"))
	})
	delivering(t, recordstest.NewMemory(), func(t *testing.T, m *Manager, s *sender) {
		m.Encode = func(View) ([]byte, error) { return nil, errReceiver }
		require.ErrorIs(t, m.deliverOne(t.Context(), "b"), errReceiver)
		require.Empty(t, s.sent)
	})
}
