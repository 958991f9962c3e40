package wav2vec2

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// countingFS counts accesses to a file system, all of which begin with Open.
type countingFS struct {
	fs.FS
	calls atomic.Int64
}

func (c *countingFS) Open(name string) (fs.File, error) {
	c.calls.Add(1)
	return c.FS.Open(name)
}

// TestAWarmTranscriptionOpensNoFile counts the model files opened by tasks, with the
// embedded default model and another one on disk.
func TestAWarmTranscriptionOpensNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	require.NoError(t, os.CopyFS(mine, os.DirFS(modelsDir+"/wav2vec2-tiny")))
	before := time.Now().Add(-time.Hour)
	require.NoError(t, filepath.WalkDir(mine, func(name string, _ fs.DirEntry, _ error) error { return os.Chtimes(name, before, before) }))
	embedded := &countingFS{FS: os.DirFS(modelsDir)}
	catalog := modelstore.NewCatalog(embedded, dir)
	s := New(DefaultConfig(), catalog, engine, sessionConfig, modeltest.FreeMemory{})
	defer func() { require.NoError(t, s.Shutdown(t.Context())) }()
	for _, name := range []string{"", "mine"} {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = name
		whole := func() {
			_, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
			require.NoError(t, err)
		}
		whole()
		opened := catalog.Opens()
		require.Positive(t, opened)
		whole()
		require.Equal(t, opened, catalog.Opens(), "%q", name)
	}
	require.Len(t, s.Models(), 2)
	opened := catalog.Opens()
	require.Len(t, s.Models(), 2)
	require.Equal(t, opened, catalog.Opens(), "a list of what is known opens nothing")

	calls := embedded.calls.Load()
	require.Equal(t, 2, s.Status().ModelsLoaded)
	require.Equal(t, calls, embedded.calls.Load(), "the status reads memory only")
}
