package batches

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// recordingOf returns the id of a recording.
func recordingOf(n int) string { return fmt.Sprintf("%064x", n) }

// learned is a batch of two items with recordings, and of two segments of outcomes with sounds.
func learned(t *testing.T, store records.Store) Batch {
	t.Helper()
	out := func(item, sound int) []byte {
		return fmt.Appendf(nil, `{"item":%d,"status":"succeeded","sounds":[{"audio_id":"%s"}]}`, item, recordingOf(sound))
	}
	return Batch{
		ID: "b", Owner: "alice", Items: 3, States: newStates(3), Sounds: 3,
		Inputs: []Segment{
			put(t, store, "in-0", fmt.Appendf(nil, `{"audio_id":"%s"}`, recordingOf(1)), []byte(`{}`)),
			put(t, store, "in-1", fmt.Appendf(nil, `{"audio_id":"%s"}`, recordingOf(2))),
		},
		Outputs: []Segment{put(t, store, "out-0", out(1, 8), out(0, 9)), put(t, store, "out-1", out(2, 10))},
	}
}

func needed(m *Manager) (list []string) {
	m.needs(func(_, id, why string) { list = append(list, strings.TrimLeft(id, "0")+" "+why) })
	return list
}

// TestTheRecordingsOfABatchAreRead after a start, whatever call of the store fails first.
func TestTheRecordingsOfABatchAreRead(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		bare(t, store, func(t *testing.T, m *Manager) {
			b := add(t, m, learned(t, store.Store))
			require.Error(t, m.pending())
			fault := store.Arm(nth)
			err := m.learn(t.Context(), b)
			store.Disarm()
			if err != nil {
				require.ErrorIs(t, err, fault)
				require.Error(t, m.pending(), "it is not known yet")
				require.NoError(t, m.learn(t.Context(), b))
			}
			require.NoError(t, m.pending())
			require.Equal(t, []string{"1 batch b", " batch b", "2 batch b", "8 ", "9 ", "a "}, needed(m))
			require.NoError(t, m.learn(t.Context(), b))
			require.Len(t, needed(m), 6, "once")
			require.NoError(t, m.learn(t.Context(), Batch{ID: "unknown"}))
		})
	})
}

// TestOnlyNewOutcomesAreRead of a batch whose earlier ones are known, also after its end.
func TestOnlyNewOutcomesAreRead(t *testing.T) {
	t.Parallel()
	store := &counted{Store: recordstest.NewMemory()}
	bare(t, store, func(t *testing.T, m *Manager) {
		b := learned(t, store)
		m.expect("b", make([]audioID, 3))
		b = add(t, m, b)
		m.trackers["b"].outputs, m.trackers["b"].sounds = 1, []audioID{{1}}
		require.NoError(t, m.learn(t.Context(), b))
		require.Equal(t, 2, store.opened, "one segment, looked through and read")
		require.Len(t, m.trackers["b"].sounds, 2)
		require.Equal(t, 2, m.trackers["b"].outputs)
		require.NoError(t, m.pending())
		require.Zero(t, store.open)
	})
	bare(t, recordstest.NewMemory(), func(t *testing.T, m *Manager) {
		b := learned(t, m.store)
		b.Status = StatusSucceeded
		b = add(t, m, b)
		require.NoError(t, m.learn(t.Context(), b))
		require.Equal(t, []string{"8 ", "9 ", "a "}, needed(m))
		require.Nil(t, m.trackers["b"].audio)
	})
	bare(t, recordstest.NewMemory(), func(t *testing.T, m *Manager) {
		b := learned(t, m.store)
		b.Sounds = 0
		b = add(t, m, b)
		require.NoError(t, m.learn(t.Context(), b))
		require.Len(t, needed(m), 3, "no outcome names a sound")
		require.Zero(t, m.trackers["b"].outputs)
	})
}

// TestLostSegmentsNameNothing has segments that the store has lost: what is left is known, and
// nothing waits for them.
func TestLostSegmentsNameNothing(t *testing.T) {
	t.Parallel()
	for lost, want := range map[string][]string{
		"in-0":  {" batch b", " batch b", "2 batch b", "8 ", "9 ", "a "},
		"in-1":  {"1 batch b", " batch b", " batch b", "8 ", "9 ", "a "},
		"out-0": {"1 batch b", " batch b", "2 batch b", "a "},
		"out-1": {"1 batch b", " batch b", "2 batch b", "8 ", "9 "},
	} {
		bare(t, recordstest.NewMemory(), func(t *testing.T, m *Manager) {
			b := add(t, m, learned(t, m.store))
			require.NoError(t, m.store.DeleteObject(t.Context(), lost))
			require.NoError(t, m.learn(t.Context(), b))
			require.NoError(t, m.pending())
			require.Equal(t, want, needed(m), lost)
		})
	}
	bare(t, recordstest.NewMemory(), func(t *testing.T, m *Manager) {
		b := add(t, m, learned(t, m.store))
		require.NoError(t, m.store.DeleteObject(t.Context(), "in-0"))
		require.NoError(t, m.store.DeleteObject(t.Context(), "out-0"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, m.learn(ctx, b))
		b.Inputs = nil
		require.Error(t, m.pending(), "a stop is no loss")
	})
}
