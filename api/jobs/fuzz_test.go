package jobs

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/web"
)

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

// FuzzJobRequest checks that a request accepted from a form is valid according to the
// contract.
func FuzzJobRequest(f *testing.F) {
	for _, seed := range []string{
		`{"service":"x"}`, `{"service":"x","task":null}`, `{"service":"x","params":{"a":1e400}}`, `{"service":"x","service":7}`,
		`{"Service":"x"}`,
		`{"service":"x","deadline":"2026-11-24T18:00:00Z","labels":{"a":"b"}}`, `[`, `null`, "\xff", `{"service":"\ud800"}`,
	} {
		f.Add(seed)
	}
	contract, err := openapi3.NewLoader().LoadFromFile("../../openapi.yaml")
	require.NoError(f, err)
	h := New(&web.Base{}, nil, nil, contract)
	f.Fuzz(func(t *testing.T, text string) {
		body, fault := h.parseJobForm([]string{text})
		if fault != nil {
			require.NotEmpty(t, fault.Fields, "every refusal names a field")
			return
		}
		require.LessOrEqual(t, len([]rune(web.Value(body.Service))), 64)
		s, err := submissionOf(body, &web.Upload{})
		if err == nil {
			require.NotEmpty(t, s.Service+s.Task)
			require.LessOrEqual(t, len(s.Labels), 16)
			require.False(t, strings.ContainsAny(s.AudioID, "/."))
		}
	})
}
