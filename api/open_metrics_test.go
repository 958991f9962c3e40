package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/access"
)

// TestOpenMetricsOpensTheMetricsAlone calls every operation without a key, with and without
// the setting.
func TestOpenMetricsOpensTheMetricsAlone(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	table, err := newOperations(checked.spec)
	require.NoError(t, err)
	probes := []string{"getLiveness", "getReadiness", "getServiceReadiness"}
	variables := regexp.MustCompile(`\{[a-z_]+\}`)
	for _, open := range []bool{false, true} {
		h := &handlers{cfg: DefaultConfig(), operations: table, Dependencies: Dependencies{
			Keys: scopedKeys{}, Failures: access.NewFailures(0), OpenMetrics: open,
		}}
		var let []string
		for path, item := range checked.spec.Paths.Map() {
			for method, described := range item.Operations() {
				target := variables.ReplaceAllString(strings.Replace(path, "{audio_id}", hash, 1), "x")
				request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+target, nil)
				if key, err := h.identify(request); err == nil {
					require.Nil(t, key)
					let = append(let, described.OperationID)
				} else {
					require.Equal(t, http.StatusUnauthorized, statusOf(t, err), described.OperationID)
				}
			}
		}
		want := probes
		if open {
			want = append(want, "getMetrics")
		}
		require.ElementsMatch(t, want, let, "open metrics: %v", open)
	}
}
