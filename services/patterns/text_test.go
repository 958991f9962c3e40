package patterns

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestTextsAreSearchedForWithTheirModel has a model that knows two texts, and one without.
func TestTextsAreSearchedForWithTheirModel(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(41)
	b.teach(1, "bell", doorbell)
	recording, events := scene(r, whistle, doorbell, siren, knock)
	id := b.shelf.add(recording)
	params := tasks.SearchParams{Text: "a doorbell", Recordings: []string{id}, Limit: 1}
	_, err := b.run(tasks.Search, params, nil)
	require.ErrorContains(t, err, "text cannot be searched for with model spectra, which embeds no texts")
	b.model.texts = map[string]sound{"a doorbell": instance(r, doorbell), "a siren": instance(r, siren)}
	bell := runAs[tasks.SearchResult](b, tasks.Search, params, nil).Hits[0]
	require.Greater(t, iou(bell.Start, bell.End, events[1].start, events[1].end), 0.3)
	require.False(t, bell.Unknown, "the pattern is in the space of sounds")
	params.Text, params.Recordings = "a siren", nil
	siren := runAs[tasks.SearchResult](b, tasks.Search, params, nil).Hits[0]
	require.Greater(t, iou(siren.Start, siren.End, events[2].start, events[2].end), 0.3)
	require.True(t, siren.Unknown)
}
