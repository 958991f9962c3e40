package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/*;q=0.5, audio/wav", `text/plain;q="0.1";x=","`, ";,;q=,", "*/*;q=NaN", "a/b;q=1e9"} {
		f.Add(seed)
	}
	offers := []string{"application/json", "text/plain; charset=utf-8", "audio/wav"}
	f.Fuzz(func(t *testing.T, accept string) {
		i := negotiate([]string{accept}, offers)
		require.True(t, i >= -1 && i < len(offers))
		for _, r := range mediaRanges(accept) {
			require.True(t, r.quality >= 0 && r.quality <= 1, "%v", r)
		}
	})
}

func FuzzPreferredWait(f *testing.F) {
	for _, seed := range []string{"", "wait=1", `respond-async, WAIT="7";a=b`, "wait", "wait=-1", "wait=99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait, fault := preferredWait(header)
		require.True(t, wait >= 0 && wait <= maxWait)
		if fault != nil {
			require.Zero(t, wait)
			require.Len(t, fault.Fields, 1)
		}
	})
}

// FuzzJobRequest holds that what a form's request brings in is what the contract
// allows, whatever the bytes.
func FuzzJobRequest(f *testing.F) {
	for _, seed := range []string{
		`{"service":"x"}`, `{"service":"x","task":null}`, `{"service":"x","params":{"a":1e400}}`, `{"service":"x","service":7}`, `{"Service":"x"}`,
		`{"service":"x","deadline":"2026-11-24T18:00:00Z","labels":{"a":"b"}}`, `[`, `null`, "\xff", `{"service":"\ud800"}`,
	} {
		f.Add(seed)
	}
	checked, err := contract()
	require.NoError(f, err)
	h := &handlers{jobRequest: checked.spec.Components.Schemas["JobRequest"].Value}
	f.Fuzz(func(t *testing.T, text string) {
		body, fault := h.parseJobForm([]string{text})
		if fault != nil {
			require.NotEmpty(t, fault.Fields, "every refusal names a field")
			return
		}
		require.LessOrEqual(t, len([]rune(value(body.Service))), 64)
		s, err := submissionOf(body, &upload{})
		if err == nil {
			require.NotEmpty(t, s.Service+s.Task)
			require.LessOrEqual(t, len(s.Labels), 16)
			require.False(t, strings.ContainsAny(s.AudioID, "/."))
		}
	})
}
