package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// bench is a service over a store in memory.
type bench struct {
	*Service
	world *world
	lib   *library.Library
	dir   string

	mu sync.Mutex
	// ran counts the tasks by the id without its attempt.
	ran map[string]int
	// gone are the jobs that do not exist.
	gone map[string]bool
}

// onStore returns a service over a store, as of another process.
func onStore(t *testing.T, store records.Store, cfg Config) *bench {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	b := &bench{world: &world{}, dir: t.TempDir(), ran: make(map[string]int), gone: make(map[string]bool)}
	db := records.NewDatabase(store, log)
	b.lib = library.New(library.DefaultConfig(), db, log)
	var err error
	b.Service, err = New(cfg, Dependencies{
		Database: db, Library: b.lib, World: b.world, Log: log,
		JobExists: func(id string) bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.gone[id] },
	})
	require.NoError(t, err)
	require.NoError(t, db.Start(t.Context()))
	t.Cleanup(func() { assert.NoError(t, db.Stop(context.Background())) })
	require.True(t, db.AwaitReady(t.Context()))
	b.world.run = b.echo
	return b
}

func setup(t *testing.T) *bench {
	t.Helper()
	return onStore(t, recordstest.NewMemory(), Config{MaxRuns: 1, Definitions: "{}"})
}

// count counts a task.
func (b *bench) count(task services.Task) int {
	key := task.ID[:strings.LastIndexByte(task.ID, '/')]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran[key]++
	return b.ran[key]
}

func (b *bench) times(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ran[key]
}

// echo is a task of any kind: a caption that says which recording it got, a sound that has
// the prompt as its content, an analysis of ten seconds.
func (b *bench) echo(_ context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	b.count(task)
	sink.Progress(0.5, "half")
	content := ""
	if task.Audio != nil {
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		raw := make([]byte, task.Audio.Size())
		if _, err := file.Read(raw); err != nil {
			return services.TaskResult{}, err
		}
		content = string(raw)
	}
	switch task.Name {
	case tasks.Generate:
		var params tasks.GenerateParams
		if err := json.Unmarshal(task.Params, &params); err != nil {
			return services.TaskResult{}, err
		}
		return services.TaskResult{Model: "m", Value: &tasks.Generation{Seed: uint64(len(params.Prompt))}, Audio: b.sound(params.Prompt)}, nil
	case tasks.Edit:
		return services.TaskResult{Value: &tasks.Edited{}, Audio: b.sound("edited " + content + string(task.Params))}, nil
	case tasks.Analyze:
		return services.TaskResult{Value: &tasks.Analysis{Source: tasks.SoundFormat{DurationSeconds: 25}}}, nil
	}
	return services.TaskResult{Model: "m", Value: &tasks.Answer{Text: "a " + content, DurationSeconds: 3}}, nil
}

var sounds atomic.Int64

// sound returns a sound with the given content.
func (b *bench) sound(content string) *services.Artifact {
	path := filepath.Join(b.dir, fmt.Sprintf("sound-%d", sounds.Add(1)))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		panic(err)
	}
	return &services.Artifact{Path: path, ContentType: "audio/wav", Bytes: int64(len(content))}
}

// recording stores a recording.
func (b *bench) recording(t *testing.T, content string) services.AudioSource {
	t.Helper()
	in, err := b.lib.Receive(t.Context(), strings.NewReader(content), library.About{})
	require.NoError(t, err)
	_, _, err = b.lib.Save(t.Context(), in, "")
	require.NoError(t, err)
	source, err := b.lib.Source(t.Context(), in.ID)
	require.NoError(t, err)
	return source
}

// job returns the task of a run.
func job(id, definition, input string, audio services.AudioSource) services.Task {
	params, err := json.Marshal(Params{Definition: json.RawMessage(definition), Input: json.RawMessage(input)})
	if err != nil {
		panic(err)
	}
	return services.Task{
		ID: id, Job: id, Service: ServiceName, Name: TaskRun, Params: params, Audio: audio, Caller: services.Caller{All: true},
	}
}

// watch is a sink that remembers the last states of the steps.
type watch struct {
	mu     sync.Mutex
	last   float64
	stage  string
	states func() []services.StepProgress
}

func (w *watch) Progress(fraction float64, stage string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.stage = fraction, stage
}

func (w *watch) Partial(any) {}

// start runs a job.
func (b *bench) start(ctx context.Context, task services.Task) (any, *watch, error) {
	w := &watch{}
	prepared, err := b.Prepare(ctx, task)
	if err != nil {
		return nil, w, err
	}
	ctx = services.WithSteps(ctx, func(states func() []services.StepProgress) { w.states = states })
	result, err := prepared.Run(ctx, w)
	return result.Value, w, err
}

// statuses returns the statuses of the steps.
func (w *watch) statuses() map[string]string {
	all := make(map[string]string)
	for _, one := range w.states() {
		all[one.ID] = one.Status
	}
	return all
}
