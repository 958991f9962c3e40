package tasks

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSegmentsHaveEveryFieldOfOpenAI computes each from its definition.
func TestSegmentsHaveEveryFieldOfOpenAI(t *testing.T) {
	t.Parallel()
	letter := func(id int, text string, probability float64) Token {
		return Token{ID: id, Text: text, LogProb: math.Log(probability)}
	}
	answer := &Transcription{Text: "NO A B", DurationSeconds: 9, Words: []Word{
		{Text: "NO", Start: 0.5, End: 0.7, Tokens: []Token{letter(5, "N", 0.9), letter(6, "O", 0.8)}, NoSpeech: math.Log(0.01)},
		{Text: "A", Start: 0.8, End: 0.9, Tokens: []Token{letter(4, " ", 1), letter(7, "A", 0.5)}, NoSpeech: math.Log(0.1)},
		{Text: "B", Start: 7.007, End: 8, Tokens: []Token{letter(4, " ", 0.7), letter(8, "B", 0.4)}, NoSpeech: math.Log(0.3)},
	}}
	text, err := answer.Encode(FormatVerbose, GranularitySegment)
	require.NoError(t, err)
	var got struct{ Segments []map[string]any }
	require.NoError(t, json.Unmarshal(text, &got))
	require.Len(t, got.Segments, 2)
	mean := (math.Log(0.9) + math.Log(0.8) + math.Log(1) + math.Log(0.5)) / 4
	for i, want := range []map[string]any{
		{"id": 0.0, "seek": 50.0, "start": 0.5, "end": 0.9, "temperature": 0.0, "avg_logprob": mean, "no_speech_prob": 0.001},
		{"id": 1.0, "seek": 701.0, "start": 7.007, "end": 8.0, "temperature": 0.0, "avg_logprob": math.Log(0.4), "no_speech_prob": 0.3},
	} {
		for name, value := range want {
			require.InDelta(t, value, got.Segments[i][name], 1e-9, name)
		}
		require.Len(t, got.Segments[i], 10)
	}
	require.Equal(t, []any{5.0, 6.0, 4.0, 7.0}, got.Segments[0]["tokens"])
	require.Equal(t, []any{8.0}, got.Segments[1]["tokens"], "without the delimiter before it")
	text, err = answer.Encode(FormatVerbose)
	require.NoError(t, err)
	require.Contains(t, string(text), `"words":[{"word":"NO","start":0.5,"end":0.7},`, "words have no further fields")

	text, err = answer.Encode(FormatJSON, IncludeLogprobs)
	require.NoError(t, err)
	var plain struct{ Logprobs []TokenLogprob }
	require.NoError(t, json.Unmarshal(text, &plain))
	require.Len(t, plain.Logprobs, 6)
	require.Equal(t, TokenLogprob{Token: "N", Bytes: []int{78}, LogProb: math.Log(0.9)}, plain.Logprobs[0])
	text, err = (&Transcription{}).Encode(FormatJSON, IncludeLogprobs)
	require.NoError(t, err)
	require.JSONEq(t, `{"text":"","logprobs":[],"usage":{"type":"duration","seconds":0}}`, string(text))
	text, err = (&Transcription{Words: []Word{{Text: "OLD"}}}).Encode(FormatVerbose)
	require.NoError(t, err)
	require.Contains(t, string(text), `"segments":[{"id":0,"start":0,"end":0,"text":"OLD"}]`, "a stored result without scores")
}

// TestCompressionRatioIsThatOfWhisper compares with zlib of CPython, which Whisper uses.
func TestCompressionRatioIsThatOfWhisper(t *testing.T) {
	t.Parallel()
	for text, compressed := range map[string]float64{
		"MUTE TRACK ONE": 22, "MUTE TRACK ONE PLEASE PLAY THE PIANO STOP THE DRUM LOOP VOLUME UP": 64,
		"ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE": 15, "A": 9, "straße über alles": 27,
	} {
		require.InDelta(t, compressed, float64(len(text))/CompressionRatio(text), 1.001, text)
	}
}
