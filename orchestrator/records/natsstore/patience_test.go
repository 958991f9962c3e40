package natsstore

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// TestWhatANewLeaderMissesIsReadAgain has something that is found after a while, or never.
func TestWhatANewLeaderMissesIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replicas int
		found    time.Duration
		missing  error
		want     error
		// within is when the read ends, at the latest.
		within time.Duration
	}{
		"at once":         {replicas: 3},
		"a description":   {replicas: 3, found: time.Second, missing: fmt.Errorf("it is %w", records.ErrMissing), within: electedLag},
		"a piece":         {replicas: 3, found: time.Second, missing: jetstream.ErrMsgNotFound, within: electedLag},
		"never":           {replicas: 3, found: time.Hour, missing: records.ErrMissing, want: records.ErrMissing, within: electedLag},
		"another fault":   {replicas: 3, found: time.Hour, missing: context.Canceled, want: context.Canceled},
		"a single server": {replicas: 1, found: time.Second, missing: records.ErrMissing, want: records.ErrMissing},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := &Store{cfg: Config{Replicas: c.replicas}}
			err := s.patiently(t.Context(), func() error {
				if time.Since(began) < c.found {
					return c.missing
				}
				return nil
			})
			require.ErrorIs(t, err, c.want, name)
			require.LessOrEqual(t, time.Since(began), c.within, name)
		})
	}
}

func TestACallerThatLeavesDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		s := &Store{cfg: Config{Replicas: 3}}
		require.ErrorIs(t, s.patiently(ctx, func() error { return records.ErrMissing }), records.ErrMissing)
		require.Zero(t, time.Since(began))
	})
}
