package patterns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services/patterns/index"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestTheNearestSpansAreFound(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(21)
	bell := b.teach(1, "bell", doorbell)
	first, events := scene(r, doorbell, siren, whistle, doorbell)
	second, more := scene(r, knock, doorbell, siren)
	one, two := b.shelf.add(first), b.shelf.add(second)
	empty := runAs[tasks.SearchResult](b, tasks.Search, tasks.SearchParams{Pattern: "bell"}, nil)
	require.Zero(t, empty.Searched, "nothing is indexed yet")
	result := runAs[tasks.SearchResult](b, tasks.Search, tasks.SearchParams{Pattern: "bell", Recordings: []string{one, two}, Limit: 5}, nil)
	require.Len(t, result.Hits, 5)
	places := append(append([]placed(nil), events...), more...)
	for i, hit := range result.Hits {
		isBell := false
		for j, e := range places {
			in := one
			if j >= len(events) {
				in = two
			}
			isBell = isBell || e.kind == doorbell && in == hit.AudioID && iou(hit.Start, hit.End, e.start, e.end) > 0.3
		}
		require.Equal(t, i < 3, isBell, "hit %d: %+v", i, hit)
		if i < 3 {
			require.False(t, hit.Unknown)
			require.Equal(t, bell.ID, hit.Patterns[0].ID)
		}
	}
	require.True(t, result.Hits[4].Unknown)
	calls := b.model.calls
	// By a span, in what is indexed by now: the recording's own span is the first.
	span := tasks.StoredSpan{AudioID: two, Start: more[2].start, End: more[2].end}
	again := runAs[tasks.SearchResult](b, tasks.Search, tasks.SearchParams{Span: &span, Limit: 2}, nil)
	require.Equal(t, result.Searched, again.Searched)
	require.LessOrEqual(t, b.model.calls, calls+2, "no recording is embedded again")
	require.Equal(t, two, again.Hits[0].AudioID)
	require.True(t, again.Hits[0].Unknown)
	require.Equal(t, one, again.Hits[1].AudioID, "the other siren")
	only := runAs[tasks.SearchResult](b, tasks.Search, tasks.SearchParams{Span: &span, Recordings: []string{one}}, nil)
	for _, hit := range only.Hits {
		require.Equal(t, one, hit.AudioID)
	}
	b.shelf.drop(two)
	rest := runAs[tasks.SearchResult](b, tasks.Search, tasks.SearchParams{Pattern: "bell"}, nil)
	require.Less(t, rest.Searched, result.Searched, "a recording that is gone leaves the index")
	for _, hit := range rest.Hits {
		require.Equal(t, one, hit.AudioID)
	}
}

// TestOtherProcessesSeeTheSame has two services on one store.
func TestOtherProcessesSeeTheSame(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(22)
	twin := newBenchOn(t, b.store, b.shelf)
	bell := b.teach(1, "bell", doorbell)
	require.Eventually(t, func() bool { _, found := twin.patterns.Get(bell.ID); return found }, second, tick)
	recording, _ := scene(r, doorbell, siren, doorbell)
	id := b.shelf.add(recording)
	params := tasks.SearchParams{Pattern: "bell", Recordings: []string{id}}
	one := runAs[tasks.SearchResult](b, tasks.Search, params, nil)
	two := runAs[tasks.SearchResult](twin, tasks.Search, tasks.SearchParams{Pattern: bell.ID}, nil)
	require.Equal(t, one.Hits, two.Hits)
	further, _ := scene(r, doorbell, knock)
	params.Recordings = []string{b.shelf.add(further)}
	runAs[tasks.SearchResult](twin, tasks.Search, params, nil)
	all := tasks.SearchParams{Pattern: bell.ID}
	require.Equal(t, runAs[tasks.SearchResult](twin, tasks.Search, all, nil), runAs[tasks.SearchResult](b, tasks.Search, all, nil))
	found := runAs[tasks.Detections](twin, tasks.Detect, tasks.DetectParams{}, recording.source())
	require.Len(t, found.Detections, 2)
	third := newBenchOn(t, b.store, b.shelf) // a restart
	require.Equal(t, runAs[tasks.SearchResult](b, tasks.Search, all, nil), runAs[tasks.SearchResult](third, tasks.Search, all, nil))
}

// TestSegmentsAreJoined adds many small segments, removes some recordings, and loses nothing.
func TestSegmentsAreJoined(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	sp, r := &space{model: "m", dims: 8}, seeded(23)
	twin := newBenchOn(t, b.store, b.shelf)
	want := make(map[string]int)
	for i := range 2*mostSegments + 60 {
		name := fmt.Sprint("r", i%200)
		part := index.Segment{Dimensions: 8}
		for range 1 + r.IntN(4) {
			v := make([]float32, 8)
			for j := range v {
				v[j] = float32(r.NormFloat64())
			}
			part.Labels, part.Vectors = append(part.Labels, index.Label{Source: name}), append(part.Vectors, v)
			want[name]++
		}
		require.NoError(t, b.insert(t.Context(), "me", sp, part))
		if i%50 == 7 {
			require.NoError(t, b.remove(t.Context(), "me", sp, []string{name}))
			delete(want, name)
		}
		if i == mostSegments-2 { // the twin has read what is joined later
			require.NoError(t, twin.withIndex(t.Context(), "me", sp, func(*index.Index) error { return nil }))
		}
	}
	all := 0
	for _, n := range want {
		all += n
	}
	for _, process := range []*bench{b, twin, newBenchOn(t, b.store, b.shelf)} {
		require.NoError(t, process.withIndex(t.Context(), "me", sp, func(x *index.Index) error {
			require.Equal(t, all, x.Len())
			hits, err := x.Search(t.Context(), make([]float32, 8), 5000, nil)
			got := make(map[string]int)
			for _, hit := range hits {
				got[hit.Source]++
			}
			require.Equal(t, want, got)
			return err
		}))
	}
	m, err := b.manifests.Load(t.Context(), manifestID("me", sp.key()))
	require.NoError(t, err)
	require.Less(t, len(m.Segments), mostSegments)
	objects, err := b.store.Objects(t.Context())
	require.NoError(t, err)
	left := 0
	for _, one := range m.Segments {
		if one.Object != "" {
			left++
		}
	}
	require.Len(t, objects, left, "joined segments are deleted")
}

// TestACrashLeavesNoTrace stops between the object and its record, as a kill does, and the
// sweep removes what is left, and nothing else.
func TestACrashLeavesNoTrace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.teach(1, "bell", doorbell)
	cut := errors.New("killed")
	b.store.Before = func(operation, key string) error {
		if operation == "create" && strings.HasPrefix(key, patternKind) || operation == "remove" {
			return cut
		}
		return nil
	}
	_, err := b.run(tasks.Teach, tasks.TeachParams{Name: "lost", Examples: b.spans(seeded(2), siren, 2)}, nil)
	require.ErrorIs(t, err, cut)
	b.store.Before = nil
	require.NoError(t, records.PutObject(t.Context(), b.store, segmentPrefix+"left", strings.NewReader("x")))
	require.NoError(t, records.PutObject(t.Context(), b.store, "audio-other", strings.NewReader("x")))
	b.mu.Lock()
	b.landing["vectors-arriving"] = true
	b.mu.Unlock()
	require.NoError(t, records.PutObject(t.Context(), b.store, "vectors-arriving", strings.NewReader("x")))
	b.sweep(context.Background(), true)
	names, err := b.store.Objects(t.Context())
	require.NoError(t, err)
	bell, err := b.find(t.Context(), caller, "", "bell")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{bell.Vectors, "audio-other", "vectors-arriving"}, names)
	_, err = b.find(t.Context(), caller, "", "lost")
	require.Error(t, err)
}
