package gama

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// rt is the one runtime of the test process.
var rt *onnx.Runtime

func TestMain(m *testing.M) {
	var err error
	if rt, err = onnx.Open(onnx.Config{}); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// noBudget books nothing.
type noBudget struct{}

func (noBudget) Hold(context.Context, string, string, services.Bytes, func(context.Context) error) services.Resident {
	return noBudget{}
}
func (noBudget) Touch()   {}
func (noBudget) Release() {}

// newService serves the embedded model, with conversations in a folder.
func newService(t *testing.T, dir string, change ...func(*Config)) *Service {
	t.Helper()
	cfg := DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg, modelstore.NewCatalog(os.DirFS(filepath.Join("..", "..", "models")), t.TempDir()), rt, onnx.SessionConfig{Threads: 1}, noBudget{}, dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// ask runs one task to its end.
func (s *Service) answerTo(t *testing.T, audio services.AudioSource, params services.AskParams, sink services.Sink) *services.Answer {
	t.Helper()
	raw, err := json.Marshal(params)
	require.NoError(t, err)
	result, err := s.ExecuteTask(t.Context(), services.Task{ID: "1", Service: Name, Name: services.TaskAsk, Params: raw, Audio: audio}, sink)
	require.NoError(t, err)
	answer, ok := result.Value.(*services.Answer)
	require.True(t, ok)
	return answer
}

func TestCanaryAnswers(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	require.NoError(t, s.Initialize(t.Context()))
	answer := s.answerTo(t, canaryTone, services.AskParams{Question: "What can be heard in this clip?"}, services.DiscardSink{})
	t.Logf("%+v", answer)
}
