package wav2vec2

import (
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// listening takes one recording through the network, window by window.
type listening struct {
	model  *model
	cut    *windows
	sink   services.Sink
	format audiofile.Format
	// warnings returns those of the recording as far as it was read.
	warnings func() []services.Warning
	// take gets each window with what the network said of it, and whether it was
	// the last.
	take func(w window, values []float32) error

	heard  int // samples that are done
	spent  map[services.Stage]time.Duration
	record func(stage services.Stage, began, ended time.Time)
}

// listen opens the task's recording for a model. The caller closes the closer and
// sets take.
func (w *work) listen(m *model, overlap bool, sink services.Sink) (*listening, func() error, error) {
	reader, closer, err := w.service.openAudio(w.audio, w.window)
	if err != nil {
		return nil, nil, err
	}
	rate := m.folder.Preprocessor.SamplingRate
	length, stride := windowSamples(w.window, rate, int(m.folder.Network.hop()))
	if !overlap {
		stride = 0
	}
	cut, err := newWindows(reader, rate, length, stride, stride)
	if err != nil {
		return nil, nil, joinClose(err, closer)
	}
	return &listening{model: m, cut: cut, sink: sink, format: reader.Format(), warnings: reader.Warnings, spent: make(map[services.Stage]time.Duration)}, closer.Close, nil
}

// run goes through the windows.
func (l *listening) run(ctx context.Context) error {
	l.record = services.StageRecorder(ctx)
	l.sink.Progress(0, "decoding")
	for {
		mark := time.Now()
		w, err := l.cut.next(ctx)
		l.book(services.StageInput, &mark)
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		if w.last && l.cut.silent() {
			return services.Invalidf("file", "is silent: every sample has the same value, so nothing was recorded")
		}
		size := len(w.samples)
		values, err := l.model.infer(ctx, w.samples)
		l.book(services.StageInfer, &mark)
		if err != nil {
			return err
		}
		if err := l.take(w, values); err != nil {
			return err
		}
		l.book(services.StageOutput, &mark)
		l.heard += size - w.left - w.right
		if w.last {
			l.sink.Progress(1, "done")
			return nil
		}
		l.sink.Progress(l.fraction(), "listening")
		if err := services.Yield(ctx); err != nil {
			return err
		}
	}
}

// book adds the time since mark to a stage.
func (l *listening) book(stage services.Stage, mark *time.Time) {
	now := time.Now()
	l.spent[stage] += now.Sub(*mark)
	l.record(stage, *mark, now)
	*mark = now
}

func (l *listening) stages() (list []services.StageTime) {
	for _, stage := range services.Stages() {
		if spent, ok := l.spent[stage]; ok {
			list = append(list, services.StageTime{Stage: stage, Duration: spent})
		}
	}
	return list
}

// fraction of the recording that is done, below one while it goes on.
func (l *listening) fraction() float64 {
	total := l.cut.resampler.OutputLen(l.format.Frames)
	if total <= 0 {
		return 0
	}
	return min(float64(l.heard)/float64(total), 0.99)
}

// seconds of the whole recording, once it is read: only then is the length of
// every format known.
func (l *listening) seconds() float64 { return l.cut.reader.Format().Duration().Seconds() }

// own gives those of a window's frames that no other window tells, of so many
// values each.
func (l *listening) own(w window, values []float32, width int) []float32 {
	from, to := w.kept(len(values)/width, int(l.model.folder.Network.hop()))
	return values[from*width : max(from, to)*width]
}
