package modeltest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// hostileService is a service that lists its models.
type hostileService interface {
	services.ModelService
	Models() []services.ModelStatus
}

// longestText is the maximum length of an error about a hostile folder, in bytes.
const longestText = 2048

// RequireRefused writes the hostile folders of a base model to dir, from which the
// service reads its models, and requires that each is listed with its reason and
// rejected by name. models includes the base model; task returns a task for a model.
func RequireRefused(t *testing.T, service hostileService, base, models, dir string, task func(model string) services.Task) {
	t.Helper()
	folders := Of(base)
	require.NotEmpty(t, folders)
	for _, h := range folders {
		h.Write(t, models, dir)
	}
	problems := make(map[string]string)
	for _, m := range service.Models() {
		problems[m.Name] = m.Problem
	}
	require.Empty(t, problems[base])
	for _, h := range folders {
		require.Contains(t, problems[h.Name], h.Name)
		require.Contains(t, problems[h.Name], h.Says)
		require.Less(t, len(problems[h.Name]), longestText, h.Says)
		_, err := services.ExecuteTask(t.Context(), service, task(h.Name), services.DiscardSink{})
		require.ErrorContains(t, err, h.Says)
		require.Equal(t, services.KindInvalid, services.KindOf(err), h.Says)
		require.Less(t, len(err.Error()), longestText, h.Says)
	}
}
