package api

import (
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
)

func TestTheContractSaysWhichRoutesAskForAKey(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"))
	require.Contains(t, b.spec.Components.SecuritySchemes, "apiKey")
	table, err := newOperations(b.spec)
	require.NoError(t, err)
	for path, item := range b.spec.Paths.Map() {
		for method, operation := range item.Operations() {
			open := operation.Security != nil && len(*operation.Security) == 0
			require.Equal(t, table.byRoute[method+" "+strictPath(path)].scopes == nil, open, "%s %s: security and x-grym in openapi.yaml differ",
				method, path)
			if open {
				continue
			}
			for _, status := range []string{"401", "403", "429"} {
				require.Contains(t, slices.Collect(maps.Keys(operation.Responses.Map())), status, "%s %s asks for a key, so openapi.yaml must list "+
					"the answer", method, path)
			}
		}
	}
}

// TestEveryRouteOfTheContractIsServed also finds a path that another one hides.
func TestEveryRouteOfTheContractIsServed(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	h := &handlers{Dependencies: Dependencies{Log: slog.New(slog.DiscardHandler)}}
	h.operations, err = newOperations(checked.spec)
	require.NoError(t, err)
	spec, err := openapi3.NewLoader().LoadFromData(checked.text) // routes changes it
	require.NoError(t, err)
	handler, err := h.routes(spec, &web.Base{}, &endpoints{handlers: h}, &problem.Writer{})
	require.NoError(t, err)
	router, ok := handler.(*chi.Mux)
	require.True(t, ok)
	served := make(map[string]bool)
	require.NoError(t, chi.Walk(router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served[method+" "+strings.Replace(path, "{audio_id:[0-9a-f]{64}}", "{audio_id}", 1)] = true
		return nil
	}))
	for path, item := range checked.spec.Paths.Map() {
		for method, operation := range item.Operations() {
			require.True(t, served[method+" "+path], "%s %s is in the contract and not served", method, path)
			delete(served, method+" "+path)
			require.NotEmpty(t, operation.OperationID)
			if h.operations.byRoute[method+" "+strictPath(path)].route != nil {
				_, generated := reflect.TypeFor[gen.StrictServerInterface]().MethodByName(strings.ToUpper(operation.OperationID[:1]) +
					operation.OperationID[1:])
				require.False(t, generated, "%s runs one task, so api/gen/oapi-codegen.yaml must exclude it", operation.OperationID)
			}
			pattern := regexp.MustCompile(`\{[a-z_]+\}`)
			example := pattern.ReplaceAllString(strings.Replace(path, "{audio_id}", hash, 1), "x")
			found := router.Find(chi.NewRouteContext(), method, example)
			require.Equal(t, path, strings.Replace(found, "{audio_id:[0-9a-f]{64}}", "{audio_id}", 1), "%s %s", method, example)
		}
	}
	require.Empty(t, served, "served and not in the contract")
}
