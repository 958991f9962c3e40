package patterns

import (
	"context"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestAPatternOfAChangedModelIsComputedAnew restarts with other files of the model.
func TestAPatternOfAChangedModelIsComputedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.teach(11, "siren", siren)
	recording, sirens, others := street(12, 4)
	id := b.shelf.add(recording)
	list := append(feedbackOn(id, sirens, tasks.VerdictRight), feedbackOn(id, others, tasks.VerdictWrong)...)
	runAs[tasks.Correction](b, tasks.Correct, tasks.CorrectParams{PatternID: p.ID, Feedback: list}, nil)
	search := tasks.SearchParams{Pattern: "siren", Recordings: []string{id}}
	before := runAs[tasks.SearchResult](b, tasks.Search, search, nil)

	later := newBenchOn(t, b.store, b.shelf)
	later.deps.Catalog = modelstore.NewCatalog(fstest.MapFS{
		"spectra/config.json": {Data: []byte(`{"model_type":"s","of":"tomorrow"}`)},
	}, t.TempDir())
	stale, err := later.Pattern(t.Context(), caller, "siren")
	require.NoError(t, err)
	require.True(t, stale.Stale)
	require.Contains(t, stale.Advice[len(stale.Advice)-1], "its model has other files now")
	for _, c := range []struct {
		task   string
		params any
	}{
		{tasks.Detect, tasks.DetectParams{Recordings: []string{id}}}, {tasks.Search, search},
		{tasks.Correct, tasks.CorrectParams{PatternID: p.ID, Feedback: list}},
	} {
		_, err := later.run(c.task, c.params, nil)
		require.ErrorContains(t, err, "was learnt with other files of model spectra", c.task)
	}
	done := runAs[tasks.Reembedded](later, tasks.Reembed, tasks.ReembedParams{}, nil)
	require.Equal(t, 1, done.Recordings)
	require.Len(t, done.Patterns, 1)
	renewed := done.Patterns[0]
	require.False(t, renewed.Stale)
	require.NotEqual(t, p.ModelHash, renewed.ModelHash)
	require.Equal(t, tasks.CorrectionCounts{Right: 4, Wrong: 4}, renewed.Corrections)
	require.InDelta(t, p.Threshold.ExamplesMean, renewed.Threshold.ExamplesMean, 1e-6, "the vectors are the same")
	search.Recordings = nil
	require.Equal(t, before.Hits, runAs[tasks.SearchResult](later, tasks.Search, search, nil).Hits)
	require.NotEmpty(t, runAs[tasks.Detections](later, tasks.Detect, tasks.DetectParams{Recordings: []string{id}}, nil).Detections)
	require.Len(t, later.manifests.Select(9, func(manifest) bool { return true }), 1, "the old index is gone")
	objects, err := later.store.Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, objects, 2, "one with the examples, one with the spans")
}

// budget is a services.Residency that records what is held.
type budget struct {
	mu   sync.Mutex
	held map[string]*holding
}

type holding struct {
	of    *budget
	name  string
	bytes services.Bytes
	evict func(context.Context) error
}

// Hold implements services.Residency.
func (b *budget) Hold(_ context.Context, _, name string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &holding{b, name, bytes, evict}
	b.held[name] = h
	return h
}

// Touch implements services.Resident.
func (*holding) Touch() {}

// Release implements services.Resident.
func (h *holding) Release() {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if h.of.held[h.name] == h {
		delete(h.of.held, h.name)
	}
}

func (b *budget) all() (list []*holding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.held {
		list = append(list, h)
	}
	return list
}

// TestMemoryIsReservedAndFreed evicts everything that is held, and searches again.
func TestMemoryIsReservedAndFreed(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(51)
	held := &budget{held: make(map[string]*holding)}
	b.deps.Residency = held
	b.teach(1, "bell", doorbell)
	recording, _ := scene(r, doorbell, siren, knock)
	search := tasks.SearchParams{Pattern: "bell", Recordings: []string{b.shelf.add(recording)}}
	first := runAs[tasks.SearchResult](b, tasks.Search, search, nil)
	require.Len(t, held.all(), 2, "the background and the index")
	for _, one := range held.all() {
		require.Positive(t, one.bytes, one.name)
		require.NoError(t, one.evict(t.Context()))
	}
	require.Empty(t, held.all())
	require.Equal(t, first, runAs[tasks.SearchResult](b, tasks.Search, search, nil))
	require.NoError(t, b.Shutdown(t.Context()))
	require.Empty(t, held.all(), "a shutdown frees all")
}
