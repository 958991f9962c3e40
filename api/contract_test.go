package api

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheContractSaysWhichRoutesAskForAKey(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"))
	require.Contains(t, b.spec.Components.SecuritySchemes, "apiKey")
	h := &handlers{}
	for path, item := range b.spec.Paths.Map() {
		for method, operation := range item.Operations() {
			open := operation.Security != nil && len(*operation.Security) == 0
			require.Equal(t, h.scopesFor(path) == nil, open, "%s %s: security in openapi.yaml and scopesFor differ", method, path)
			if open {
				continue
			}
			for _, status := range []string{"401", "403", "429"} {
				require.Contains(t, slices.Collect(maps.Keys(operation.Responses.Map())), status, "%s %s asks for a key, so openapi.yaml must list the answer", method, path)
			}
		}
	}
}
