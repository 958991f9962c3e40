package patterns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// shelf stores recordings in memory.
type shelf struct {
	mu    sync.Mutex
	all   map[string][]byte
	needs []func(func(owner, id, by string))
}

// StoredAudio implements services.Recordings.
func (s *shelf) StoredAudio(_ context.Context, _ services.Caller, id string) (services.AudioSource, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, known := s.all[id]
	if !known {
		return nil, nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "audio_id", Problem: "is missing"}}}
	}
	return wave(raw), func() {}, nil
}

// StoreAudio implements services.Recordings.
func (s *shelf) StoreAudio(_ context.Context, _, _ string, source services.AudioSource) (string, error) {
	raw := make([]byte, source.Size())
	file, err := source.Open()
	if err != nil {
		return "", err
	}
	if _, err := file.Read(raw); err != nil {
		return "", err
	}
	return s.put(raw), nil
}

// OnNeeds implements services.Recordings.
func (s *shelf) OnNeeds(provider func(need func(owner, id, by string))) {
	s.needs = append(s.needs, provider)
}

func (s *shelf) put(raw []byte) string {
	sum := sha256.Sum256(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	id := hex.EncodeToString(sum[:])
	s.all[id] = raw
	return id
}

// add stores sound and returns its id.
func (s *shelf) add(x sound) string { return s.put(x.source()) }

// drop deletes a recording.
func (s *shelf) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// spectra is a model that embeds sound as the statistics of its spectrum: the roots of the
// power of bands, as means of five parts. It is robust to some noise.
type spectra struct {
	t     testing.TB
	mu    sync.Mutex
	calls int
	// fault is returned by every call if it is set.
	fault error
	// texts are embedded as their sounds; nil for a model without texts.
	texts map[string]sound
}

const spectraBands = 40

func (m *spectra) execute(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
	m.mu.Lock()
	m.calls++
	fault := m.fault
	m.mu.Unlock()
	if fault != nil || ctx.Err() != nil {
		return services.TaskResult{}, errorsOf(fault, ctx)
	}
	require.Equal(m.t, tasks.Embed, task.Name)
	var params tasks.EmbedParams
	require.NoError(m.t, json.Unmarshal(task.Params, &params))
	if params.Space == tasks.SpaceCaption && m.texts == nil {
		return services.TaskResult{}, services.Invalidf("space", "must be sound")
	}
	if params.Text != "" {
		frames, _ := m.frames(m.texts[params.Text])
		return services.TaskResult{Model: "spectra", Value: &tasks.Embedding{Vector: statistics(frames)}}, nil
	}
	raw, ok := task.Audio.(wave)
	require.True(m.t, ok)
	key := sha256.Sum256(append([]byte(task.Params), raw...))
	if known, ok := embedded.Load(key); ok {
		return copyOf(known.(services.TaskResult)), nil //nolint:forcetypeassert // it is ours
	}
	result, err := m.embed(task)
	if err == nil {
		embedded.Store(key, copyOf(result))
	}
	return result, err
}

// embedded has the results so far, because every test embeds the same background.
var embedded sync.Map

// copyOf returns a result whose vectors can be changed.
func copyOf(result services.TaskResult) services.TaskResult {
	value := *result.Value.(*tasks.Embedding) //nolint:forcetypeassert // it is ours
	value.Vector = slices.Clone(value.Vector)
	value.FrameEmbeddings = slices.Clone(value.FrameEmbeddings)
	for i, one := range value.FrameEmbeddings {
		list := slices.Clone(one.Embeddings)
		for j, v := range list {
			list[j] = slices.Clone(v)
		}
		value.FrameEmbeddings[i].Embeddings = list
	}
	return services.TaskResult{Model: result.Model, Value: &value}
}

func (m *spectra) embed(task services.Task) (services.TaskResult, error) {
	var params tasks.EmbedParams
	require.NoError(m.t, json.Unmarshal(task.Params, &params))
	d, err := decode(task.Audio, audiofile.DefaultLimits())
	if err != nil {
		return services.TaskResult{}, err
	}
	x, err := readSpan(context.Background(), d, 0, 0, 1e6)
	require.NoError(m.t, err)
	frames, hop := m.frames(x)
	value := &tasks.Embedding{Dimensions: 5 * spectraBands, Vector: statistics(frames)}
	if params.Frames {
		lengths, step := params.Sliding()
		for _, length := range lengths {
			one := tasks.FrameEmbeddings{Hop: math.Round(step/hop) * hop, Window: math.Round(length/hop) * hop}
			n, every := int(math.Round(length/hop)), int(math.Round(step/hop))
			for at := 0; at+n <= len(frames) || at == 0; at += every {
				one.Embeddings = append(one.Embeddings, statistics(frames[at:min(len(frames), at+n)]))
			}
			value.FrameEmbeddings = append(value.FrameEmbeddings, one)
		}
	}
	return services.TaskResult{Model: "spectra", Value: value}, nil
}

func errorsOf(fault error, ctx context.Context) error {
	if fault != nil {
		return fault
	}
	return ctx.Err()
}

// frames returns the decibels of bands in steps of some seconds.
func (m *spectra) frames(x sound) (frames [][]float64, hop float64) {
	const size, step = 512, 320
	fft, err := dsp.NewFFT(size)
	require.NoError(m.t, err)
	in, out := make([]float64, size), make([]complex128, size/2+1)
	for at := 0; at+step <= len(x.samples) || at == 0; at += step {
		clear(in)
		for i := range min(size, len(x.samples)-at) {
			in[i] = float64(x.samples[at+i]) * (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/size))
		}
		fft.Coefficients(out, in)
		bands := make([]float64, spectraBands)
		for i, c := range out[1:] {
			bands[int(float64(spectraBands)*math.Sqrt(float64(i)/float64(size/2)))] += real(c)*real(c) + imag(c)*imag(c)
		}
		for i := range bands {
			bands[i] = math.Sqrt(bands[i])
		}
		frames = append(frames, bands)
	}
	return frames, step / float64(x.rate)
}

func statistics(frames [][]float64) []float32 {
	v := make([]float32, 5*spectraBands)
	for b := range spectraBands {
		for part := range 5 {
			from, to := part*len(frames)/5, max(part*len(frames)/5+1, (part+1)*len(frames)/5)
			for _, f := range frames[from:to] {
				v[part*spectraBands+b] += float32(f[b] / float64(to-from))
			}
		}
	}
	return unit(v)
}

// bench is a service with its store in memory.
type bench struct {
	*Service
	t     *testing.T
	shelf *shelf
	model *spectra
	store *recordstest.Memory
}

// shared is a store that other processes use too.
type shared struct{ *recordstest.Memory }

// Exclusive implements records.Store.
func (shared) Exclusive() bool { return false }

// caller is that of the tests.
var caller = services.Caller{Key: "me"}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOn(t, recordstest.NewMemory(), &shelf{all: make(map[string][]byte)})
}

// newBenchOn returns another process with a store and its recordings.
func newBenchOn(t *testing.T, store *recordstest.Memory, shelf *shelf) *bench {
	t.Helper()
	b := &bench{t: t, shelf: shelf, model: &spectra{t: t}, store: store}
	db := records.NewDatabase(shared{store}, discard)
	b.Service = New(DefaultConfig(), module.Deps{
		Catalog: modelstore.NewCatalog(fstest.MapFS{"spectra/config.json": {Data: []byte(`{"model_type":"s"}`)}}, t.TempDir()),
		Audio:   audiofile.DefaultLimits(), Records: db, Recordings: shelf, Execute: b.model.execute, Spool: t.TempDir(),
	})
	require.NoError(t, db.Start(context.Background()))
	t.Cleanup(func() {
		require.NoError(t, b.Shutdown(context.Background()))
		require.NoError(t, db.Stop(context.Background()))
	})
	require.True(t, db.AwaitReady(t.Context()))
	require.NoError(t, b.Initialize(t.Context()))
	return b
}

// run runs a task of the caller.
func (b *bench) run(name string, params any, audio services.AudioSource) (any, error) {
	raw, err := json.Marshal(params)
	require.NoError(b.t, err)
	result, err := services.ExecuteTask(b.t.Context(), b.Service, services.Task{
		ID: "t", Service: Name, Name: name, Params: raw, Audio: audio, Caller: caller,
	}, services.DiscardSink{})
	return result.Value, err
}

func runAs[T any](b *bench, name string, params any, audio services.AudioSource) *T {
	b.t.Helper()
	value, err := b.run(name, params, audio)
	require.NoError(b.t, err)
	typed, ok := value.(*T)
	require.True(b.t, ok, "%T", value)
	return typed
}

// The sounds of the tests.
const (
	doorbell = iota
	siren
	knock
	whistle
)

// instance returns one of the sounds of the tests, a little different each time.
func instance(r *rand.Rand, kind int) sound {
	x := make([]float64, int((0.55+0.1*r.Float64())*cohortRate))
	about := func(hz float64) float64 { return hz * (0.98 + 0.04*r.Float64()) }
	switch kind {
	case doorbell:
		half := len(x) / 2
		for _, partial := range []float64{1, 2, 3.1} {
			addSine(x[:half], about(660)*partial, 0, 1/partial, cohortRate)
			addSine(x[half:], about(520)*partial, 0, 1/partial, cohortRate)
		}
		fade(x[:half], 5, cohortRate)
		fade(x[half:], 5, cohortRate)
	case siren:
		addSine(x[:len(x)/2], about(600), about(1400), 1, cohortRate)
		addSine(x[len(x)/2:], about(1400), about(600), 1, cohortRate)
	case knock:
		for _, at := range []float64{0.02, 0.2, 0.38} {
			hit := make([]float64, cohortRate/10)
			for i := range hit {
				hit[i] = r.NormFloat64() * math.Exp(-float64(i)/200)
			}
			filter(hit, newResonator(about(180), 60, cohortRate))
			mix(x, hit, int(at*cohortRate), 1)
		}
	default:
		addSine(x, about(2300), about(2900), 1, cohortRate)
	}
	return sound{samples: level(x, 0.1), rate: cohortRate}
}

// event is a sound in a scene.
type placed struct {
	kind       int
	start, end float64
}

// scene returns a recording with sounds of the given kinds in faint noise, and where they
// are.
func scene(r *rand.Rand, kinds ...int) (sound, []placed) {
	var events []placed
	x := make([]float32, cohortRate/2)
	for _, kind := range kinds {
		one := instance(r, kind)
		start := float64(len(x)) / cohortRate
		x = append(x, one.samples...)
		events = append(events, placed{kind, start, float64(len(x)) / cohortRate})
		x = append(x, make([]float32, int((0.4+0.8*r.Float64())*cohortRate))...)
	}
	for i, v := range noise(r, pink, len(x), cohortRate) {
		x[i] += 0.03 * v
	}
	return sound{samples: x, rate: cohortRate}, events
}

// spans stores instances of a sound and returns them as whole recordings.
func (b *bench) spans(r *rand.Rand, kind, n int) (list []tasks.StoredSpan) {
	for range n {
		list = append(list, tasks.StoredSpan{AudioID: b.shelf.add(instance(r, kind))})
	}
	return list
}

// found returns whether each event of a kind was found, and the number of other detections.
func found(list []tasks.Detection, label string, events []placed, kind int) (hits, wrong, all int) {
	used := make(map[int]bool)
	for _, d := range list {
		if d.Label != label {
			continue
		}
		hit := false
		for i, e := range events {
			if e.kind == kind && !used[i] && iou(d.Start, d.End, e.start, e.end) >= 0.3 {
				used[i], hit = true, true
				break
			}
		}
		if !hit {
			wrong++
		}
	}
	for _, e := range events {
		if e.kind == kind {
			all++
		}
	}
	return len(used), wrong, all
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 27)) }
