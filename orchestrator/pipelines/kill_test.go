package pipelines

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/services"
)

// go test ./orchestrator/pipelines -run SurviveKills -runs 200 -kills 40 -timeout 30m -v.
var (
	killedRuns = flag.Int("runs", 16, "runs that are submitted while the process is killed")
	runKills   = flag.Int("kills", 4, "times that it is killed")
	childDir   = flag.String("child", "", "folder of a process that runs pipelines until it is killed")
)

// TestMain runs the tests, or a process that a test kills.
func TestMain(m *testing.M) {
	flag.Parse()
	if *childDir != "" {
		if err := child(context.Background(), *childDir, *killedRuns); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// sixSteps has two branches, one of them with eight items, that meet.
const sixSteps = `{"input":{"properties":{"n":{"type":"integer"}}},"steps":[
	{"id":"start","task":"generate","params":{"prompt":"run ${input.n}"}},
	{"id":"left","task":"generate","params":{"prompt":"${'left of ' + string(steps.start.result.seed)}"}},
	{"id":"items","task":"generate","foreach":"${range(8)}","parallel":4,
	 "params":{"prompt":"item ${item} of ${steps.start.result.seed}","seed":"${input.n + item}"}},
	{"id":"right","task":"generate","params":{"prompt":"${'right of ' + string(steps.start.result.seed)}"}},
	{"id":"sum","task":"generate","params":{"prompt":"${steps.items.result.map(r, string(r.seed))} and ${steps.left.result.seed}"}},
	{"id":"end","task":"generate","params":{"prompt":"${steps.sum.result.seed} ${steps.right.result.seed} ${steps.items.status}"}}],
	"output":{"end":"${steps.end.result.seed}","items":"${steps.items.result.map(r, r.seed)}","left":"${steps.left.result.seed}"}}`

// process is what a child has.
type process struct {
	store   *natsstore.Store
	db      *records.Database
	service *Service
	jobs    *jobs.Manager
	counts  *os.File
	// idle steps do nothing, not even count.
	idle bool
}

// write adds a line to the file in which steps are counted. A line is written at once, so
// that it is whole or missing after a kill.
func (p *process) write(format string, args ...any) {
	if _, err := fmt.Fprintf(p.counts, format+"\n", args...); err != nil {
		panic(err)
	}
}

// step is the task of every step: it counts itself, takes a while, and makes a number of its
// parameters.
func (p *process) step(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
	if p.idle {
		return services.TaskResult{Model: "m", Value: map[string]any{"seed": 1}}, nil
	}
	key := task.ID[:strings.LastIndexByte(task.ID, '/')]
	p.write("start %s", key)
	select {
	case <-ctx.Done():
		return services.TaskResult{}, ctx.Err()
	case <-time.After(time.Duration(rand.IntN(int(8 * time.Millisecond)))): //nolint:gosec // no secret
	}
	sum := 0
	for i, c := range []byte(task.Params) {
		sum += (i + 1) * int(c)
	}
	return services.TaskResult{Model: "m", Value: map[string]any{"seed": sum}}, nil
}

// Execute implements jobs.Executor.
func (p *process) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	if task.Service != ServiceName {
		return p.step(ctx, task, sink)
	}
	return services.ExecuteTask(ctx, p.service, task, sink)
}

// Check implements jobs.Executor.
func (p *process) Check(ctx context.Context, task services.Task) error {
	if task.Service != ServiceName {
		return nil
	}
	_, err := p.service.Prepare(ctx, task)
	return err
}

// pin is Pin of the tasks that are runs.
func (p *process) pin(ctx context.Context, task services.Task) ([]byte, error) {
	if task.Service != ServiceName {
		return task.Params, nil
	}
	return p.service.Pin(ctx, task)
}

// CheckURL and Send implement jobs.Sender.
func (p *process) CheckURL(string) error { return nil }

func (p *process) Send(context.Context, string, string, []byte) (int, error) { return 200, nil }

// openProcess opens everything on a folder, as the server does. wrap returns the store that is
// used in place of that of the folder.
func openProcess(ctx context.Context, dir string, wrap func(records.Store) records.Store) (*process, error) {
	cfg := natsstore.DefaultConfig()
	cfg.Dir = filepath.Join(dir, "store")
	log := slog.New(slog.DiscardHandler)
	p := &process{store: natsstore.New(cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, log)}
	var err error
	if p.counts, err = os.OpenFile(filepath.Join(dir, "counts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	if err := p.store.Start(ctx); err != nil {
		return nil, err
	}
	p.db = records.NewDatabase(wrap(p.store), log)
	noted, err := ledger.Open(filepath.Join(dir, "ledger.log"), ledger.Options{})
	if err != nil {
		return nil, err
	}
	p.db.KeepLedger(noted)
	lib := library.New(library.DefaultConfig(), p.db, log)
	p.service, err = New(Config{MaxRuns: 100, Definitions: "{}"}, Dependencies{
		Database: p.db, Library: lib, World: &world{run: p.step}, Log: log, JobExists: func(id string) bool { return p.jobs.Exists(id) },
	})
	if err != nil {
		return nil, err
	}
	settings := jobs.DefaultConfig()
	settings.MaxRedeliveries, settings.Retry.Delay, settings.Retry.MaxDelay = 10_000, time.Millisecond, 4*time.Millisecond
	p.jobs = jobs.NewManager(settings, jobs.Dependencies{
		Database: p.db, Library: lib, Executor: p, Sender: p, Encode: func(job jobs.Job) ([]byte, error) { return json.Marshal(job.Status) },
		Describe: func(name string) (services.Description, error) {
			if name != ServiceName {
				return p.service.World.Describe(name)
			}
			return p.service.Describe(), nil
		},
		Bind: func(task services.Task) (services.Task, error) { return task, nil },
		Pin:  p.pin, Restart: p.service.Restart, Runs: map[string]int{ServiceName: 16, "makers": 16}, Ageing: 30 * time.Second, MaxAttempts: 3,
		MaxDeliveries: 1, Log: log,
	})
	if err := p.db.Start(ctx); err != nil {
		return nil, err
	}
	p.db.AwaitReady(ctx)
	return p, nil
}

// close stops everything.
func (p *process) close(ctx context.Context) error {
	for _, stop := range []func(context.Context) error{p.jobs.Stop, p.db.Stop, p.store.Stop} {
		if err := stop(ctx); err != nil {
			return err
		}
	}
	return p.counts.Close()
}

// child lists the steps that are on record, submits the runs, which it may have done before
// it was killed, waits for them and writes their results.
func child(ctx context.Context, dir string, runs int) error {
	p, err := openProcess(ctx, dir, func(s records.Store) records.Store { return s })
	if err != nil {
		return err
	}
	p.service.outcomes.Each(func(e records.Entry[Outcome]) bool {
		index := 0
		if e.Value.Index != nil {
			index = *e.Value.Index
		}
		p.write("recorded %s/%s/%d", e.Value.Run, e.Value.Step, index)
		return true
	})
	if err := p.jobs.Start(ctx); err != nil {
		return err
	}
	fmt.Println("started")
	results := make(map[int]json.RawMessage)
	ids := make([]string, runs)
	for i := range runs {
		params, err := json.Marshal(Params{Definition: json.RawMessage(sixSteps), Input: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))})
		if err != nil {
			return err
		}
		job, _, err := p.jobs.Submit(ctx, jobs.Submission{
			Service: ServiceName, Task: TaskRun, Params: params, SeesAll: true, IdempotencyKey: fmt.Sprint(i),
		})
		if err != nil {
			return err
		}
		ids[i] = job.ID
	}
	for i, id := range ids {
		if err := p.jobs.Follow(ctx, "", id, 0, func(jobs.Job) error { return nil }); err != nil {
			return err
		}
		job, result, err := p.jobs.Result(ctx, "", id)
		if err != nil {
			return err
		}
		results[i] = result
		if n := successes(job); n != 1 {
			return fmt.Errorf("run %d came to its end %d times", i, n)
		}
	}
	raw, err := json.Marshal(results)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "results"), raw, 0o600)
	}
	if err == nil {
		err = p.close(ctx)
	}
	return err
}

// successes counts the attempts of a job that succeeded.
func successes(job jobs.Job) (n int) {
	for _, attempt := range job.Attempts {
		if attempt.Outcome == services.OutcomeSuccess {
			n++
		}
	}
	return n
}

// raise starts a child and returns once it runs jobs, or has ended.
func raise(t *testing.T, dir string) (*exec.Cmd, <-chan error) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-child", dir, "-runs", fmt.Sprint(*killedRuns))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var text strings.Builder
	cmd.Stderr = &text
	require.NoError(t, cmd.Start())
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		reader := bufio.NewReader(out)
		if line, _ := reader.ReadString('\n'); line == "started\n" {
			close(started)
		}
		_, _ = io.Copy(io.Discard, reader)
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, text.String())
		}
		ended <- err
	}()
	select {
	case <-started:
	case err := <-ended:
		t.Fatalf("the process ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the process does not start")
	}
	return cmd, ended
}

// history is what the file of counts has.
type history struct {
	// starts of each step, and how many of them a kill hit.
	starts map[string]int
	lost   int
	kills  int
}

// readHistory checks that no step starts again once it is on record, and none twice between
// two kills.
func readHistory(t *testing.T, dir string) (h history) {
	t.Helper()
	h.starts = make(map[string]int)
	raw, err := os.ReadFile(filepath.Join(dir, "counts"))
	require.NoError(t, err)
	recorded, sinceKill := make(map[string]bool), make(map[string]bool)
	for line := range strings.Lines(string(raw)) {
		what, key, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "kill":
			h.kills++
			clear(sinceKill)
		case "recorded":
			recorded[key] = true
		case "start":
			require.False(t, recorded[key], "step %s is on record and ran again", key)
			require.False(t, sinceKill[key], "step %s ran twice without a kill", key)
			sinceKill[key] = true
			if h.starts[key]++; h.starts[key] > 1 {
				h.lost++
			}
		}
	}
	return h
}

// TestRunsSurviveKills kills a process at random moments while it runs pipelines whose steps
// count themselves, and compares the results with those of one that is left alone.
func TestRunsSurviveKills(t *testing.T) {
	t.Parallel()
	quiet, disturbed := t.TempDir(), t.TempDir()
	began := time.Now()
	_, ended := raise(t, quiet)
	require.NoError(t, <-ended)
	alone := time.Since(began)
	random := rand.New(rand.NewPCG(1, 0)) //nolint:gosec // no secret
	for range *runKills {
		cmd, ended := raise(t, disturbed)
		// The moments spread over the time that the whole takes.
		wait := time.Duration(random.Int64N(int64(2 * alone / time.Duration(*runKills+1))))
		select {
		case <-time.After(wait):
		case err := <-ended:
			require.NoError(t, err)
			t.Log("all runs had ended before the last kill")
		}
		_ = cmd.Process.Kill()
		select {
		case <-ended:
		case <-time.After(time.Minute):
		}
		counts, err := os.OpenFile(filepath.Join(disturbed, "counts"), os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = fmt.Fprintln(counts, "kill")
		require.NoError(t, err)
		require.NoError(t, counts.Close())
	}
	_, ended = raise(t, disturbed)
	require.NoError(t, <-ended)
	want, err := os.ReadFile(filepath.Join(quiet, "results"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(disturbed, "results"))
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))
	h := readHistory(t, disturbed)
	require.Len(t, h.starts, 13**killedRuns)
	t.Logf("%d runs of 6 steps (13 tasks each), %d kills: %d tasks started again because a kill hit them; undisturbed %s, in all %s",
		*killedRuns, h.kills, h.lost, alone.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
