package pipelines

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// dbos is a program built from testdata/dbos, which is measured beside ours.
var dbos = flag.String("dbos", "", "program of testdata/dbos")

// countedWrites is a store that counts its writes, each of which is synced.
type countedWrites struct {
	records.Store
	n atomic.Int64
}

func (c *countedWrites) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	c.n.Add(1)
	return c.Store.Create(ctx, key, value)
}

func (c *countedWrites) Replace(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	c.n.Add(1)
	return c.Store.Replace(ctx, key, value, at)
}

func (c *countedWrites) Delete(ctx context.Context, key string, at records.Revision) error {
	c.n.Add(1)
	return c.Store.Delete(ctx, key, at)
}

// chain returns a pipeline of steps that follow one another.
func chain(steps int) string {
	var list []string
	for i := range steps {
		before := "'x'"
		if i > 0 {
			before = fmt.Sprintf("string(steps.s%d.result.seed)", i-1)
		}
		list = append(list, fmt.Sprintf(`{"id":"s%d","task":"generate","params":{"prompt":"${%s}"}}`, i, before))
	}
	return `{"steps":[` + strings.Join(list, ",") + `]}`
}

// submitted submits a job and waits for its end.
func (p *process) submitted(tb testing.TB, s jobs.Submission) {
	tb.Helper()
	job, _, err := p.jobs.Submit(tb.Context(), s)
	require.NoError(tb, err)
	require.NoError(tb, p.jobs.Follow(tb.Context(), "", job.ID, 0, func(now jobs.Job) error { job = now; return nil }))
	require.Equal(tb, jobs.StatusSucceeded, job.Status, "%+v", job.Failure)
}

// idleProcess returns a process whose steps do nothing, and its store.
func idleProcess(tb testing.TB) (*process, *countedWrites) {
	tb.Helper()
	counted := &countedWrites{}
	p, err := openProcess(tb.Context(), tb.TempDir(), func(s records.Store) records.Store { counted.Store = s; return counted })
	require.NoError(tb, err)
	p.idle = true
	require.NoError(tb, p.jobs.Start(tb.Context()))
	tb.Cleanup(func() { require.NoError(tb, p.close(context.Background())) })
	return p, counted
}

func runOf(definition string) jobs.Submission {
	params, err := json.Marshal(Params{Definition: json.RawMessage(definition)})
	if err != nil {
		panic(err)
	}
	return jobs.Submission{Service: ServiceName, Task: TaskRun, Params: params, SeesAll: true}
}

// Ten steps take at most 15 synced writes, and fewer than half of those of ten jobs.
func TestStepsTakeFewWrites(t *testing.T) {
	t.Parallel()
	p, counted := idleProcess(t)
	p.submitted(t, runOf(chain(10)))
	run := counted.n.Swap(0)
	for range 10 {
		p.submitted(t, jobs.Submission{Service: "makers", Task: "generate", Params: json.RawMessage(`{"prompt":"x"}`)})
	}
	t.Logf("synced writes: a run of ten steps %d, ten jobs %d", run, counted.n.Load())
	require.LessOrEqual(t, run, int64(15))
	require.LessOrEqual(t, 2*run, counted.n.Load())
}

// BenchmarkTenSteps measures a run of ten steps that do nothing, ten jobs of one such step, and
// the same steps by another program, in turns. Run it with -benchtime 100x.
func BenchmarkTenSteps(b *testing.B) {
	p, counted := idleProcess(b)
	var runs, ten []time.Duration
	var writes int64
	for b.Loop() {
		counted.n.Store(0)
		began := time.Now()
		p.submitted(b, runOf(chain(10)))
		runs, writes = append(runs, time.Since(began)), counted.n.Load()
		began = time.Now()
		for range 10 {
			p.submitted(b, jobs.Submission{Service: "makers", Task: "generate", Params: json.RawMessage(`{"prompt":"x"}`)})
		}
		ten = append(ten, time.Since(began))
	}
	b.ReportMetric(float64(median(runs).Microseconds()), "us/run")
	b.ReportMetric(float64(median(ten).Microseconds()), "us/tenjobs")
	b.ReportMetric(float64(median(runs))/float64(median(ten)), "run/tenjobs")
	b.ReportMetric(float64(writes)/10, "writes/step")
	if *dbos == "" {
		return
	}
	for _, mode := range []string{"FULL", "NORMAL"} {
		out, err := exec.CommandContext(b.Context(), *dbos, b.TempDir(), strconv.Itoa(b.N), mode).Output()
		require.NoError(b, err)
		var list []time.Duration
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			if ns, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				list = append(list, time.Duration(ns))
			}
		}
		b.ReportMetric(float64(median(list).Microseconds()), "us/dbos-"+strings.ToLower(mode))
	}
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
