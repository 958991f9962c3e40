package clap

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// problemMultiLabel is the problem_type in config.json of a model whose labels are not
// exclusive.
const problemMultiLabel = "multi_label_classification"

// labels runs a tasks.Classify.
func (w *work) labels(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	if w.classify.Threshold != nil {
		result.Warnings = append(result.Warnings, services.Warning{
			Code: services.WarnValueIgnored, Field: "threshold",
			Message: "threshold has no effect: the model has labels for whole recordings only",
		})
	}
	labels, judge, warnings, err := w.judge(ctx, m)
	result.Warnings = append(result.Warnings, warnings...)
	if err != nil {
		return result, err
	}
	sound, err := w.service.openAudio(w.audio, m.folder.Preprocessor.SampleRateHz, w.limit, w.strict)
	if err != nil {
		return result, err
	}
	defer sound.Close() //nolint:errcheck // only read
	e := newEar(ctx, m, m.space(tasks.SpaceCaption), sink)
	sums := make([]float64, len(labels))
	total := 0.0
	window := e.units(w.window)
	e.track(window, window, true, func(vector []float32, units int) error { // weighted by their lengths
		for i, p := range judge(vector) {
			sums[i] += p * float64(units)
		}
		total += float64(units)
		return nil
	})
	err = e.listen(ctx, sound)
	result.Warnings = append(sound.reader.Warnings(), result.Warnings...)
	result.Stages = e.clock.Times()
	if err != nil {
		return result, err
	}
	sink.Progress(1, "done")
	result.Value = &tasks.Classification{
		DurationSeconds: sound.reader.Format().Duration().Seconds(), Labels: rank(labels, sums, total, w.classify.TopK),
	}
	return result, nil
}

// judge returns the labels, and a function that returns their probabilities for what the
// network made of a window.
func (w *work) judge(ctx context.Context, m *model) ([]string, func(values []float32) []float64, []services.Warning, error) {
	if m.tokens == nil {
		return m.folder.Labels, m.folder.probabilities, nil, nil
	}
	labels := w.classify.Labels
	texts := make([]string, len(labels))
	for i, label := range labels {
		texts[i] = strings.ReplaceAll(cmp.Or(w.classify.Template, tasks.DefaultTemplate), tasks.TemplateMark, label)
	}
	vectors, warnings, err := m.texts(ctx, "labels", texts)
	return labels, func(values []float32) []float64 {
		sound := unit(values)
		logits := make([]float32, len(labels))
		for i, text := range vectors {
			cosine := 0.0
			for j, v := range sound {
				cosine += float64(v) * float64(text[j])
			}
			logits[i] = float32(m.scale * cosine)
		}
		return softmax(logits)
	}, warnings, err
}

// probabilities returns the probabilities of an AST model's labels.
func (f *folder) probabilities(logits []float32) []float64 {
	if f.Network.ProblemType != problemMultiLabel {
		return softmax(logits)
	}
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = 1 / (1 + math.Exp(-float64(v)))
	}
	return p
}

func softmax(logits []float32) []float64 {
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
