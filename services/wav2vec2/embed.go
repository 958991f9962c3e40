package wav2vec2

import (
	"context"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// maxFrameValues limits the result of PoolingNone to about 50 MB of JSON.
const maxFrameValues = 1 << 22

// tooManyFrames returns the fault for a result that would be too large.
func tooManyFrames(dimensions int64, network networkConfig, rate int) error {
	seconds := float64(maxFrameValues/dimensions*network.hop()) / float64(rate)
	return &services.Fault{Kind: services.KindTooLarge, Fields: []services.FieldError{{
		Field: "file", Problem: fmt.Sprintf("is too long for the vectors of all frames: with pooling none "+
			"this model takes %.0f s at most; pooling mean has no such limit", seconds),
	}}}
}

// tooManyWindows returns the fault for windows of frames whose vectors would be too large.
func tooManyWindows() error {
	return &services.Fault{Kind: services.KindTooLarge, Fields: []services.FieldError{{
		Field: "file", Problem: "is too long for the vectors of these windows; a larger frame_hop or fewer frame_windows make fewer",
	}}}
}

// checkFrames refuses vectors of frames from a head that has one vector for a recording.
func (r request) checkFrames(name string, f *folder) error {
	var bad services.Complaints
	if f.whole() && r.embed.Pooling == tasks.PoolingNone {
		bad.Complain("pooling", "must be mean: %q has one vector for a recording, and none for frames", name)
	}
	if f.whole() && r.embed.Frames {
		bad.Complain("frames", "must be false: %q has one vector for a recording, and none for frames", name)
	}
	return bad.Err()
}

// vectors runs a tasks.Embed.
func (w *work) vectors(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	whole := m.folder.whole()
	l, closeAudio, err := w.listen(m, !whole, sink)
	if err != nil {
		return result, err
	}
	defer closeAudio() //nolint:errcheck // only read
	network := m.folder.Network
	_, size := m.folder.output()
	width := int(size)
	pool := meanPool{sums: make([]float64, width)}
	answer := &tasks.Embedding{Dimensions: width, Space: tasks.SpaceSound}
	if !whole {
		answer.FrameSeconds = float64(network.hop()) / float64(m.folder.Preprocessor.SamplingRate)
	}
	var sliding *slides
	if w.embed.Frames {
		sliding = newSlides(w.embed, width, answer.FrameSeconds)
	}
	l.take = func(part window, values []float32) error {
		if whole {
			pool.addWeighted(values, len(part.samples))
			return nil
		}
		own := l.own(part, values, width)
		if sliding != nil && !sliding.add(own) {
			return tooManyWindows()
		}
		if w.embed.Pooling != tasks.PoolingNone {
			pool.add(own)
			return nil
		}
		if (len(answer.Frames)*width + len(own)) > maxFrameValues {
			return tooManyFrames(network.HiddenSize, network, m.folder.Preprocessor.SamplingRate)
		}
		for ; len(own) > 0; own = own[width:] {
			answer.Frames = append(answer.Frames, own[:width:width])
		}
		return nil
	}
	err = l.run(ctx)
	result.Warnings = append(l.warnings(), result.Warnings...)
	result.Stages = l.clock.Times()
	if err != nil {
		return result, err
	}
	sink.Progress(1, "done")
	if w.embed.Pooling != tasks.PoolingNone {
		answer.Vector = pool.mean()
	}
	if sliding != nil {
		answer.FrameEmbeddings = sliding.end()
	}
	answer.DurationSeconds = l.seconds()
	result.Value = answer
	return result, nil
}

// meanPool accumulates the mean of frames.
type meanPool struct {
	sums   []float64
	frames int
}

func (p *meanPool) add(values []float32) {
	width := len(p.sums)
	for ; len(values) >= width; values = values[width:] {
		for i, v := range values[:width] {
			p.sums[i] += float64(v)
		}
		p.frames++
	}
}

// addWeighted adds the vector of a window with so many samples.
func (p *meanPool) addWeighted(vector []float32, samples int) {
	for i, v := range vector {
		p.sums[i] += float64(samples) * float64(v)
	}
	p.frames += samples
}

func (p *meanPool) mean() []float32 {
	mean := make([]float32, len(p.sums))
	for i, sum := range p.sums {
		mean[i] = float32(sum / float64(max(1, p.frames)))
	}
	return mean
}
