package whisper

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/decoding"
)

// TestRulesAreTheReferences compares the tokens that may follow a text with those that the
// filters of openai-whisper leave.
func TestRulesAreTheReferences(t *testing.T) {
	t.Parallel()
	file := golden[struct {
		End          int     `json:"end"`
		NoTimestamps int     `json:"no_timestamps"`
		Suppress     []int64 `json:"suppress"`
		Begin        []int64 `json:"begin"`
		LatestFirst  int     `json:"latest_first"`
		Cases        []struct {
			Written []int     `json:"written"`
			Logits  []float32 `json:"logits"`
			Allowed []int     `json:"allowed"`
		} `json:"cases"`
	}](t, "rules.json")
	r := rules{
		special:  specialTokens{end: file.End, noTimestamps: file.NoTimestamps, firstTimestamp: file.NoTimestamps + 1},
		suppress: file.Suppress, begin: file.Begin, latestFirst: file.LatestFirst, timestamps: true,
	}
	require.NotEmpty(t, file.Cases)
	for i, c := range file.Cases {
		logits := slices.Clone(c.Logits)
		r.apply(logits, c.Written)
		allowed := []int{}
		for id, v := range logits {
			if v != decoding.Never {
				require.Equal(t, c.Logits[id], v) //nolint:testifylint // unchanged
				allowed = append(allowed, id)
			}
		}
		require.Equal(t, c.Allowed, allowed, "case %d, after %v", i, c.Written)
	}
}

// TestWithoutTimestamps has only text.
func TestWithoutTimestamps(t *testing.T) {
	t.Parallel()
	r := rules{special: specialTokens{end: 3, noTimestamps: 4, firstTimestamp: 5}, suppress: []int64{1, -1, 99}}
	logits := make([]float32, 8)
	r.apply(logits, nil)
	require.Equal(t, fmt.Sprint([]float32{0, decoding.Never, 0, 0, 0, decoding.Never, decoding.Never, decoding.Never}), fmt.Sprint(logits))
}
