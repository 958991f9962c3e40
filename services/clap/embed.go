package clap

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// maxFrameValues limits the vectors of a result to about 50 MB of JSON.
const maxFrameValues = 1 << 22

// tooManyWindows returns the fault for windows whose vectors would be too large.
func tooManyWindows() error {
	return &services.Fault{Kind: services.KindTooLarge, Fields: []services.FieldError{{
		Field: "file", Problem: "is too long for the vectors of these windows; a larger frame_hop or fewer frame_windows make fewer",
	}}}
}

// vectorOfText runs a tasks.Embed of a text.
func (w *work) vectorOfText(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	clock := services.NewStageClock(ctx)
	sink.Progress(0, "reading")
	vectors, warnings, err := m.texts(ctx, "text", []string{w.embed.Text})
	clock.Book(services.StageInfer)
	result.Stages, result.Warnings = clock.Times(), warnings
	if err != nil {
		return result, err
	}
	sink.Progress(1, "done")
	result.Value = &tasks.Embedding{Dimensions: len(vectors[0]), Vector: vectors[0], Space: tasks.SpaceCaption}
	return result, nil
}

// vectors runs a tasks.Embed of a recording.
func (w *work) vectors(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	sound, err := w.service.openAudio(w.audio, m.folder.Preprocessor.SampleRateHz, w.limit, w.strict)
	if err != nil {
		return result, err
	}
	defer sound.Close() //nolint:errcheck // only read
	answer := &tasks.Embedding{Dimensions: int(m.folder.width()), Space: m.space(w.embed.Space)}
	e := newEar(ctx, m, answer.Space, sink)
	if m.folder.Pooled {
		answer.FrameSeconds = e.perUnit
	}
	mean := newMean(answer.Dimensions)
	window := e.units(w.window)
	e.track(window, window, true, func(vector []float32, units int) error {
		mean.add(unit(vector), units)
		return nil
	})
	if w.embed.Frames {
		w.trackFrames(e, answer)
	}
	err = e.listen(ctx, sound)
	result.Warnings = append(sound.reader.Warnings(), result.Warnings...)
	result.Stages = e.clock.Times()
	if err != nil {
		return result, err
	}
	sink.Progress(1, "done")
	answer.Vector, answer.DurationSeconds = unit(mean.vector()), sound.reader.Format().Duration().Seconds()
	result.Value = answer
	return result, nil
}

// trackFrames adds the windows of frames that the task requests.
func (w *work) trackFrames(e *ear, answer *tasks.Embedding) {
	lengths, hop := w.embed.Sliding()
	answer.FrameEmbeddings = make([]tasks.FrameEmbeddings, len(lengths))
	values := 0
	for i, length := range lengths {
		one := &answer.FrameEmbeddings[i]
		window, step := e.units(length), e.units(hop)
		one.Window, one.Hop = roundMicro(float64(window)*e.perUnit), roundMicro(float64(step)*e.perUnit)
		e.track(window, step, false, func(vector []float32, _ int) error {
			if values += len(vector); values > maxFrameValues {
				return tooManyWindows()
			}
			one.Embeddings = append(one.Embeddings, unit(vector))
			return nil
		})
	}
}

// roundMicro rounds seconds to microseconds.
func roundMicro(seconds float64) float64 { return float64(int64(seconds*1e6+0.5)) / 1e6 }

// mean is the weighted mean of vectors.
type mean struct {
	sums   []float64
	weight float64
}

func newMean(width int) *mean { return &mean{sums: make([]float64, width)} }

func (m *mean) add(vector []float32, weight int) {
	for i, v := range vector {
		m.sums[i] += float64(v) * float64(weight)
	}
	m.weight += float64(weight)
}

func (m *mean) vector() []float32 {
	vector := make([]float32, len(m.sums))
	for i, sum := range m.sums {
		vector[i] = float32(sum / max(m.weight, 1))
	}
	return vector
}
