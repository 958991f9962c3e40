package wav2vec2

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	modelsDir = "../../models"
	clipsDir  = modelsDir + "/wav2vec2-tiny/clips"
)

// engine is the one runtime of this process.
var engine *onnx.Runtime

func TestMain(m *testing.M) { modeltest.Main(m, &engine) }

var sessionConfig = onnx.SessionConfig{Threads: 1}

func newCatalog(tb testing.TB) *modelstore.Catalog {
	tb.Helper()
	return modelstore.NewCatalog(os.DirFS(modelsDir), tb.TempDir())
}

// newService makes a service over the committed models and those under dir.
func newService(t *testing.T, dir string) *Service {
	t.Helper()
	s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS(modelsDir), dir), engine, sessionConfig, modeltest.FreeMemory{})
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// diskAudio is a file on disk.
type diskAudio string

func (d diskAudio) Open() (io.ReadSeekCloser, error) { return os.Open(string(d)) }

func (d diskAudio) Size() int64 {
	info, err := os.Stat(string(d))
	if err != nil {
		return 0
	}
	return info.Size()
}

func transcribeTask(audio services.AudioSource) services.Task {
	return services.Task{ID: "t", Service: Name, Name: tasks.Transcribe, Audio: audio}
}

// golden is one clip with what transformers.js makes of it.
type golden struct {
	File   string `json:"file"`
	Text   string `json:"ctc_text"`
	Offset int    `json:"offset"`
	Shape  []int  `json:"shape"`
	logits []float32
}

func readGolden(t *testing.T) []golden {
	t.Helper()
	var file struct {
		Clips []golden `json:"clips"`
	}
	data, err := os.ReadFile(filepath.Join(clipsDir, "golden.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &file))
	require.GreaterOrEqual(t, len(file.Clips), 20)

	packed, err := os.Open(filepath.Join(clipsDir, "golden_logits.f32.gz"))
	require.NoError(t, err)
	defer packed.Close()
	reader, err := gzip.NewReader(packed)
	require.NoError(t, err)
	raw, err := io.ReadAll(reader)
	require.NoError(t, err)
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	for i := range file.Clips {
		c := &file.Clips[i]
		c.logits = values[c.Offset : c.Offset+c.Shape[0]*c.Shape[1]]
	}
	return file.Clips
}

// clip is a committed recording with the words that were spoken.
type clip struct {
	File   string `json:"file"`
	Spoken string `json:"text"`
}

func readClips(t *testing.T) []clip {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(clipsDir, "clips.json"))
	require.NoError(t, err)
	var clips []clip
	require.NoError(t, json.Unmarshal(data, &clips))
	return clips
}
