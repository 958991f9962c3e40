package wav2vec2

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// labels runs a tasks.Classify.
func (w *work) labels(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	whole := m.folder.Head == headSequence
	l, closeAudio, err := w.listen(m, !whole, sink)
	if err != nil {
		return result, err
	}
	defer closeAudio() //nolint:errcheck // only read
	if whole && w.classify.Threshold != nil {
		result.Warnings = append(result.Warnings, services.Warning{
			Code: services.WarnValueIgnored, Field: "threshold",
			Message: "threshold has no effect: the model has labels for whole recordings only",
		})
	}
	labels := m.folder.Labels
	sums := make([]float64, len(labels))
	total := 0.0
	tracks := &labelTracks{labels: labels, threshold: 0.5, frameSeconds: m.decoder.secondsPerFrame, open: make([]run, len(labels))}
	if w.classify.Threshold != nil {
		tracks.threshold = *w.classify.Threshold
	}
	l.take = func(part window, values []float32) error {
		if whole { // each window is weighted by its length
			weight := float64(len(part.samples))
			for i, p := range m.folder.probabilities(values) {
				sums[i] += weight * p
			}
			total += weight
			return nil
		}
		for own := l.own(part, values, len(labels)); len(own) > 0; own = own[len(labels):] {
			scores := sigmoids(own[:len(labels)])
			for i, p := range scores {
				sums[i] += p
			}
			total++
			tracks.add(scores)
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
	answer := &tasks.Classification{DurationSeconds: l.seconds(), Labels: rank(labels, sums, total, w.classify.TopK)}
	if !whole {
		answer.Segments = tracks.end()
	}
	result.Value = answer
	return result, nil
}

// probabilities returns the probabilities of the labels: a softmax, or independent
// sigmoids if the labels are not exclusive.
func (f *folder) probabilities(logits []float32) []float64 {
	if f.Network.ProblemType == problemMultiLabel {
		return sigmoids(logits)
	}
	p := make([]float64, len(logits))
	most, sum := float64(slices.Max(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v) - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func sigmoids(logits []float32) []float64 {
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = 1 / (1 + math.Exp(-float64(v)))
	}
	return p
}

// rank returns the labels with their mean scores, the most likely first.
func rank(labels []string, sums []float64, total float64, topK int) []tasks.LabelScore {
	list := make([]tasks.LabelScore, len(labels))
	for i, label := range labels {
		list[i] = tasks.LabelScore{Label: label, Score: sums[i] / max(total, 1)}
	}
	slices.SortStableFunc(list, func(a, b tasks.LabelScore) int { return cmp.Compare(b.Score, a.Score) })
	if topK > 0 && topK < len(list) {
		list = list[:topK]
	}
	return list
}

// labelTracks joins consecutive frames in which a label is present to segments.
type labelTracks struct {
	labels       []string
	threshold    float64
	frameSeconds float64
	frame        int
	open         []run
	done         []tasks.LabelSegment
}

// run is an open segment; frames is zero if there is none.
type run struct {
	start, frames int
	sum           float64
}

func (t *labelTracks) add(scores []float64) {
	for i, p := range scores {
		r := &t.open[i]
		if p <= t.threshold {
			t.close(i)
			continue
		}
		if r.frames == 0 {
			r.start = t.frame
		}
		r.frames++
		r.sum += p
	}
	t.frame++
}

// close ends a label's segment if there is one.
func (t *labelTracks) close(i int) {
	r := &t.open[i]
	if r.frames > 0 {
		at := func(frame int) float64 { return roundMicro(float64(frame) * t.frameSeconds) }
		t.done = append(t.done, tasks.LabelSegment{
			Label: t.labels[i], Start: at(r.start), End: at(r.start + r.frames), Score: r.sum / float64(r.frames),
		})
	}
	*r = run{}
}

// end returns all segments, ordered by start and then by label.
func (t *labelTracks) end() []tasks.LabelSegment {
	for i := range t.open {
		t.close(i)
	}
	slices.SortFunc(t.done, func(a, b tasks.LabelSegment) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(slices.Index(t.labels, a.Label), slices.Index(t.labels, b.Label)))
	})
	return append([]tasks.LabelSegment{}, t.done...)
}
