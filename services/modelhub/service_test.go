package modelhub

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// admin may change the server.
var admin = services.Caller{All: true, Admin: true}

// service returns a service with a hub of two repositories, and its folder.
func service(t *testing.T) (*Service, *hubtest.Hub, string) {
	h := hubtest.New(t)
	h.Add("a/speech", "1", map[string]string{"config.json": "{}", "onnx/model.onnx": strings.Repeat("x", 1000)})
	dir := t.TempDir()
	known := hub.Catalogue{{Name: "speech", Source: "a/speech"}}
	return New(Config{}, dir, services.GiB, known, hub.Settings{Endpoint: h.URL}), h, dir
}

// TestConformance is not parallel because the suite checks for leaked goroutines.
func TestConformance(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService { s, _, _ := service(t); return s },
		Tasks: map[string]services.Task{
			tasks.Pull: {Service: Name, Name: tasks.Pull, Params: json.RawMessage(`{"source":"a/speech"}`), Caller: admin},
		},
	})
}

func TestAPull(t *testing.T) {
	t.Parallel()
	s, h, dir := service(t)
	run := func(caller services.Caller, params string) (services.TaskResult, error) {
		task := services.Task{Service: Name, Name: tasks.Pull, Params: json.RawMessage(params), Caller: caller}
		return services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	}
	result, err := run(admin, `{"source":"speech"}`)
	require.NoError(t, err)
	require.Equal(t, &tasks.Pulled{
		Model: "speech", Source: "a/speech", Revision: strings.Repeat("1", 40), Precision: "fp32", License: "apache-2.0", Files: 2, Bytes: 1002,
	}, result.Value)
	require.FileExists(t, filepath.Join(dir, "speech", "onnx", "model.onnx"))
	result, err = run(admin, `{"source":"a/speech","name":"mine"}`)
	require.NoError(t, err)
	require.Equal(t, "mine", result.Value.(*tasks.Pulled).Model)
	_, err = run(services.Caller{All: true}, `{"source":"speech"}`)
	require.ErrorContains(t, err, "task pull needs a key with the scope admin")
	_, err = run(admin, `{"source":"a/none"}`)
	require.Equal(t, services.KindNotFound, services.KindOf(err), err)
	h.Wrong = 2
	_, err = run(admin, `{"source":"a/speech","name":"other"}`)
	require.ErrorIs(t, err, hub.ErrWrongContent)
	require.NoDirExists(t, filepath.Join(dir, "other"))
}

// The embedded catalogue names each model once, with all that is printed.
func TestTheCatalogue(t *testing.T) {
	t.Parallel()
	list, err := hub.ReadCatalogue("")
	require.NoError(t, err)
	seen := make(map[string]bool)
	for _, entry := range list {
		require.False(t, seen[entry.Name], entry.Name)
		seen[entry.Name] = true
		require.NotEmpty(t, entry.Task+entry.Service)
		require.NotEmpty(t, entry.License)
		require.NotEmpty(t, entry.About)
		require.Positive(t, entry.Parameters)
	}
	file := filepath.Join(t.TempDir(), "own.json")
	require.NoError(t, os.WriteFile(file, []byte(`[{"name":"x","source":"nonsense"}]`), 0o600))
	_, err = hub.ReadCatalogue(file)
	require.ErrorContains(t, err, "own.json: entry 0 needs a name, and a source as owner/name")
}
