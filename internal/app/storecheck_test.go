package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/cli"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// stocked makes a data folder with a recording, a job with a large result and one record of
// each kind of fault, if faulty.
func stocked(t *testing.T, faulty bool) config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	dir, err := datadir.Open(cfg.DataDir)
	require.NoError(t, err)
	stored, err := openStorage(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, stored.store.Start(ctx))
	require.NoError(t, stored.database.Start(ctx))
	require.True(t, stored.database.AwaitReady(ctx))
	in, err := stored.library.Receive(ctx, strings.NewReader(strings.Repeat("a sound of some length", 20000)), library.About{Name: "a.wav"})
	require.NoError(t, err)
	_, _, err = stored.library.Save(ctx, in, "o")
	require.NoError(t, err)
	require.NoError(t, records.PutObject(ctx, stored.store, "value-a", strings.NewReader("a result")))
	put := func(key, value string) {
		_, err := stored.store.Create(ctx, key, []byte(value))
		require.NoError(t, err)
	}
	put("job.a", `{"schema":1,"kind":"job","id":"a","body":{"result":{"value_id":"value-a"}}}`)
	put("job.old", `{"service":"wav2vec2","result":{"value_id":"value-a"}}`)
	if faulty {
		put("job.b", `{"schema":1,"kind":"job","id":"b","body":{"result":{"value_id":"value-b"}}}`)
		put("job.c", `{"schema":1`)
		put("job.d", `{"schema":9,"kind":"job","id":"d"}`)
		put("job.e", `{"schema":1,"kind":"job","id":"f"}`)
		_, at, err := stored.store.Read(ctx, "ref.o."+in.ID)
		require.NoError(t, err)
		require.NoError(t, stored.store.Delete(ctx, "ref.o."+in.ID, at))
	}
	require.NoError(t, stored.database.Stop(context.Background()))
	require.NoError(t, stored.store.Stop(context.Background()))
	require.NoError(t, dir.Close())
	return cfg
}

func TestAStoreWithoutFaults(t *testing.T) {
	t.Parallel()
	cfg := stocked(t, false)
	scratch := t.TempDir()
	report, err := storeTools{cfg}.Check(t.Context(), scratch)
	require.NoError(t, err)
	require.Equal(t, cli.StoreReport{
		Records: map[string]int{"job": 2, "audio": 1, "ref": 1}, Objects: 2, Bytes: 20000*22 + 8, Noted: 2,
	}, report)
	left, err := os.ReadDir(scratch)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, os.RemoveAll(filepath.Join(cfg.DataDir, "ledger")))
	report, err = storeTools{cfg}.Check(t.Context(), scratch)
	require.NoError(t, err)
	require.Equal(t, -1, report.Noted)
}

func TestEveryFaultIsReported(t *testing.T) {
	t.Parallel()
	cfg := stocked(t, true)
	files, err := filepath.Glob(filepath.Join(cfg.JobsDir(), "jetstream", "*", "streams", "OBJ_*", "msgs", "1.blk"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	raw[strings.Index(string(raw), "a sound of")] ^= 1
	require.NoError(t, os.WriteFile(files[0], raw, 0o600))
	report, err := storeTools{cfg}.Check(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.Len(t, report.Faults, 6, strings.Join(report.Faults, "\n"))
	for i, text := range []string{"object audio-", "object value-b of record job.b is missing", "record job.c cannot be read",
		"record job.d has the schema 9", "record job.e is that of job.f", "record ref.o."} {
		require.Contains(t, report.Faults[i], text)
	}
	again, err := storeTools{cfg}.Check(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, report, again, "nothing was changed")
}

func TestToolsRefuseWhatTheyCannotDo(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	_, err := storeTools{cfg}.Check(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "is no data folder")
	_, err = storeTools{cfg}.BackUp(t.Context(), filepath.Join(t.TempDir(), "a.tar"))
	require.ErrorContains(t, err, "is no data folder")
	elsewhere := cfg
	elsewhere.Jobs.Store.Dir = t.TempDir()
	_, err = storeTools{elsewhere}.BackUp(t.Context(), filepath.Join(t.TempDir(), "a.tar"))
	require.ErrorContains(t, err, "outside of the data folder")
	require.NotEqual(t, ledgerFile(cfg), ledgerFile(elsewhere), "another store has another ledger")
	cluster := cfg
	cluster.Jobs.Store.URL = "nats://localhost:4222"
	_, err = storeTools{cluster}.Check(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "the store is in a cluster")
}
