package tasks

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConfidenceOfWordsAndSegments has a segment whose letters are likely and whose words
// are not.
func TestConfidenceOfWordsAndSegments(t *testing.T) {
	t.Parallel()
	sure := []Token{{ID: 5, Text: "N", LogProb: math.Log(0.9)}}
	answer := &Transcription{Text: "NO THREE B", DurationSeconds: 9, Words: []Word{
		{Text: "NO", Start: 0.5, End: 0.7, Tokens: sure, Confidence: new(0.9)},
		{Text: "THREE", Start: 0.8, End: 0.9, Tokens: sure, Confidence: new(0.2)},
		{Text: "B", Start: 7, End: 8, Tokens: sure, Confidence: new(0.0)},
	}}
	text, err := answer.Encode(FormatVerbose)
	require.NoError(t, err)
	var got struct {
		Words    []struct{ Confidence *float64 }
		Segments []struct {
			Confidence *float64
			AvgLogprob float64 `json:"avg_logprob"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &got))
	for i, word := range got.Words {
		require.Equal(t, answer.Words[i].Confidence, word.Confidence)
	}
	require.Len(t, got.Segments, 2)
	require.InDelta(t, 0.4, *got.Segments[0].Confidence, 1e-6, "(2*0.9+5*0.2)/7")
	require.InDelta(t, math.Log(0.4), got.Segments[0].AvgLogprob, 1e-6, "no likelier than right")
	require.InDelta(t, math.Log(1e-6), got.Segments[1].AvgLogprob, 1e-6)
}
