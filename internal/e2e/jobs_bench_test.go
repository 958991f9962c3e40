package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/services"
)

// times are measured durations.
type times []time.Duration

// add measures a call.
func (l *times) add(call func()) {
	began := time.Now()
	call()
	*l = append(*l, time.Since(began))
}

// at returns a quantile.
func (l times) at(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(l))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// bareStore is a store in the benchmark's process, on the same disk as the servers',
// without other load.
func bareStore(b *testing.B) *natsstore.Store {
	b.Helper()
	cfg := natsstore.DefaultConfig()
	cfg.Dir = b.TempDir()
	s := natsstore.New(cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, slog.New(slog.DiscardHandler))
	require.NoError(b, s.Start(b.Context()))
	require.Empty(b, s.Problem())
	b.Cleanup(func() { require.NoError(b, s.Stop(context.Background())) })
	return s
}

// BenchmarkJobAgainstRequest transcribes a clip by the synchronous route and as a
// job that is waited for, in turns, with one synced write of a record between
// them. It reports the extra time of the job, in such writes. Run it with
// -benchtime 300x.
func BenchmarkJobAgainstRequest(b *testing.B) {
	s := start(b)
	app, store := s.app(b), bareStore(b)
	speech := clip(b, "clip03.wav")
	body, contentType, err := transcription(speech, "").body()
	require.NoError(b, err)
	var request, job, write times
	value := make([]byte, 1024)
	round := 0
	for b.Loop() {
		round++
		request.add(func() {
			status, text := s.transcribe(b, speech)
			require.Equal(b, http.StatusOK, status, text)
		})
		job.add(func() {
			got, err := app.send(b.Context(), http.MethodPost, s.url+"/v1/jobs", body, "Content-Type", contentType, "Prefer", "wait=60")
			require.NoError(b, err)
			require.Equal(b, http.StatusOK, got.status, got.body)
		})
		write.add(func() {
			_, err := store.Create(b.Context(), fmt.Sprintf("job.%d", round), value)
			require.NoError(b, err)
		})
	}
	one := write.at(0.5)
	for name, q := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		extra := job.at(q) - request.at(q)
		b.Logf("%s of %d: request %s, job %s, so %s more; a synced write %s (median %s)", name, len(job), request.at(q), job.at(q), extra,
			write.at(q), one)
		b.ReportMetric(float64(extra)/float64(one), "writes-more-"+name)
	}
}

// BenchmarkListOfQueuedJobs reads a page of the list behind 5,000 queued jobs, over
// HTTP, and in turns one record of a store with as many, and reports the ratio. Run
// it with -benchtime 300x.
func BenchmarkListOfQueuedJobs(b *testing.B) {
	const queued = 5000
	s := start(b, configured(b, idle)...)
	app, store := s.app(b), bareStore(b)
	var next atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := next.Add(1); i <= queued; i = next.Add(1) {
				got, err := app.send(context.Background(), http.MethodPost, s.url+"/v1/jobs",
					[]byte(`{"service":"audioldm","params":{"prompt":"rain"}}`), "Content-Type", "application/json")
				if err != nil || got.status != http.StatusAccepted {
					b.Errorf("not accepted: %d %s %v", got.status, got.body, err)
				}
				if _, err := store.Create(context.Background(), fmt.Sprintf("job.%d", i), []byte(got.body)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	clients.Wait()
	var page, middle, read times
	get := func(path string) {
		got, err := app.send(b.Context(), http.MethodGet, s.url+path, nil)
		require.NoError(b, err)
		require.Equal(b, http.StatusOK, got.status, got.body)
	}
	round := 0
	for b.Loop() {
		round++
		page.add(func() { get("/v1/jobs") })
		middle.add(func() { get("/v1/jobs?status=queued&service=audioldm&limit=50") })
		read.add(func() {
			_, _, err := store.Read(b.Context(), fmt.Sprintf("job.%d", 1+round%queued))
			require.NoError(b, err)
		})
	}
	b.Logf("medians: a page of 20 %s, a filtered one of 50 %s, a record read %s", page.at(0.5), middle.at(0.5), read.at(0.5))
	b.ReportMetric(float64(page.at(0.5))/float64(read.at(0.5)), "reads-a-page")
	b.ReportMetric(float64(middle.at(0.5))/float64(read.at(0.5)), "reads-a-filtered-page")
}
