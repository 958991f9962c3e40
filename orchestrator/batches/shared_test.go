package batches_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// shared is a store that other processes use too.
type shared struct{ *recordstest.Memory }

func (shared) Exclusive() bool { return false }

// TestTwoProcessesShareABatch has two processes work for a batch, one of which ends. The other
// one takes over when the claim has been silent for long enough.
func TestTwoProcessesShareABatch(t *testing.T) {
	t.Parallel()
	const n = 400
	store, w := shared{recordstest.NewMemory()}, newWorker()
	quick := func(o *options) { o.sealAt, o.jobs.ClaimTimeout, o.batches.Window = 16, 500*time.Millisecond, 8 }
	first, second := prepare(t, store, w, quick).begin(t), prepare(t, store, w, quick).begin(t)
	var items []batches.Item
	for i := range n {
		items = append(items, say(fmt.Sprint(i))...)
	}
	v := first.submit(t, request, items...)
	require.Eventually(t, func() bool {
		now, err := second.Get(t.Context(), "", v.ID)
		return err == nil && now.Counts.Succeeded > n/4
	}, time.Minute, time.Millisecond)
	first.stop()
	ended := second.end(t, v.ID)
	require.Equal(t, batches.Counts{Succeeded: n}, ended.Counts)
	require.Len(t, w.counts(), n)
	for text, times := range w.counts() {
		require.Equal(t, 1, times, text)
	}
}
