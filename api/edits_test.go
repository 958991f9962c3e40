package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestEditsCarryTheirOperations sends operations as a JSON text of a form.
func TestEditsCarryTheirOperations(t *testing.T) {
	t.Parallel()
	var got services.Task
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{}, services.Invalidf("operations[1].gain_db", "must be less")
	}))
	const operations = `[{"op":"trim","end":2.5},{"op":"gain","gain_db":3}]`
	response, body := analysis(t, b, "/v1/audio/edits", "operations", operations, "container", "flac", "sample_rate", "16000")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, body, "operations[1].gain_db")
	require.Equal(t, tasks.Edit, got.Name)
	require.JSONEq(t, `{"operations":`+operations+`,"container":"flac","sample_rate":16000}`, string(got.Params))

	for _, wrong := range []string{`{"op":"reverse"}`, `[{]`, `reverse`, `7`} {
		response, body = analysis(t, b, "/v1/audio/edits", "operations", wrong)
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		require.Contains(t, body, "operations must be a list of objects as JSON")
	}
}
