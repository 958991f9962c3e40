package tasks

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSegmentsOfTheModel are used as they are, with the words within them, in subtitles and
// in verbose answers.
func TestSegmentsOfTheModel(t *testing.T) {
	t.Parallel()
	word := func(text string, start, end, logProb float64) Word {
		return Word{Text: text, Start: start, End: end, Tokens: []Token{{ID: int(10 * start), Text: " " + text, LogProb: logProb}}}
	}
	result := &Transcription{
		Text: "Good day. Rain again?", Language: "de", Translated: true, DurationSeconds: 9,
		Words: []Word{word("Good", 0, 1, -0.2), word("day.", 1, 2, -0.4), word("Rain", 2, 8, -0.5), word("again?", 8, 9, -0.7)},
		Cuts:  []Cut{{Start: 0, End: 2, Text: "Good day."}, {Start: 2, End: 9, Text: "Rain again?", Temperature: 0.4}},
	}
	srt, err := result.Encode(FormatSRT)
	require.NoError(t, err)
	require.Equal(t, "1\n00:00:00,000 --> 00:00:02,000\nGood day.\n\n2\n00:00:02,000 --> 00:00:09,000\nRain again?\n\n", string(srt))
	verbose, err := result.Encode(FormatVerbose, GranularitySegment)
	require.NoError(t, err)
	var got struct {
		Task, Language string
		Segments       []struct {
			Text        string
			Tokens      []int
			Temperature float64
			AvgLogprob  float64 `json:"avg_logprob"`
		}
	}
	require.NoError(t, json.Unmarshal(verbose, &got))
	require.Equal(t, "translate", got.Task)
	require.Equal(t, "de", got.Language)
	require.Len(t, got.Segments, 2)
	require.Equal(t, []int{0, 10}, got.Segments[0].Tokens)
	require.InDelta(t, -0.3, got.Segments[0].AvgLogprob, 1e-9)
	require.Zero(t, got.Segments[0].Temperature)
	require.Equal(t, []int{20, 80}, got.Segments[1].Tokens)
	require.InDelta(t, -0.6, got.Segments[1].AvgLogprob, 1e-9)
	require.InDelta(t, 0.4, got.Segments[1].Temperature, 1e-9)
}
