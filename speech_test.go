package main

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// minute says one clip's words over and over for more than a minute, and tells
// how often.
func minute(t *testing.T) (audio []byte, times int) {
	t.Helper()
	one := clip(t, "clip09.wav")
	body := append(bytes.Clone(one[44:]), make([]byte, 2*4000)...)
	samples := []byte{}
	for len(samples) < 65*2*16000 {
		samples = append(samples, body...)
		times++
	}
	audio = append(bytes.Clone(one[:44]), samples...)
	binary.LittleEndian.PutUint32(audio[4:], uint32(len(audio)-8))
	binary.LittleEndian.PutUint32(audio[40:], uint32(len(samples)))
	return audio, times
}

func TestLongAudioInEveryFormat(t *testing.T) {
	t.Parallel()
	s := start(t)
	audio, times := minute(t)
	want := strings.TrimSpace(strings.Repeat("MUTE TRACK ONE ", times))

	status, body := s.transcribe(t, audio, "response_format", "text")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, want+"\n", body)

	status, body = s.transcribe(t, audio, "response_format", "srt")
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, strings.HasPrefix(body, "1\n00:00:00,"), body[:80])
	require.Contains(t, body, "\n\n2\n00:00:0")
	require.Equal(t, times, strings.Count(body, "TRACK"))

	status, body = s.transcribe(t, audio, "response_format", "vtt")
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, strings.HasPrefix(body, "WEBVTT\n\n00:00:00."), body[:80])

	status, body = s.transcribe(t, audio, "response_format", "verbose_json", "timestamp_granularities[]", "segment")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"segments":[{"end":`)

	status, body = s.transcribe(t, audio, "stream", "true")
	require.Equal(t, http.StatusOK, status, body)
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	require.Greater(t, len(events), 5, "the words come window by window")
	require.Contains(t, events[0], `data: {"type":"transcript.text.delta","delta":"MUTE TRACK`)
	require.Equal(t, `data: {"type":"transcript.text.done","text":"`+want+`"}`, events[len(events)-2])
	require.Equal(t, "data: [DONE]", events[len(events)-1])
	var deltas strings.Builder
	for _, event := range events[:len(events)-2] {
		_, rest, ok := strings.Cut(event, `"delta":"`)
		require.True(t, ok, event)
		deltas.WriteString(strings.TrimSuffix(rest, `"}`))
	}
	require.Equal(t, want, deltas.String(), "the pieces are the whole")
}
