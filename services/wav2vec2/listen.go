package wav2vec2

import (
	"context"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// listening runs one recording through the network, window by window.
type listening struct {
	model  *model
	cut    *windows
	sink   services.Sink
	format audiofile.Format
	// warnings returns those of the recording as far as it was read.
	warnings func() []services.Warning
	// take receives each window with the network's output, and whether it is the last.
	take func(w window, values []float32) error

	processed int // samples processed
	clock     *services.StageClock
}

// listen opens the task's recording for a model. The caller closes the closer and sets
// take.
func (w *work) listen(m *model, overlap bool, sink services.Sink) (*listening, func() error, error) {
	reader, closer, err := w.service.openAudio(w.audio, w.window, w.reading)
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
	return &listening{model: m, cut: cut, sink: sink, format: reader.Format(), warnings: reader.Warnings}, closer.Close, nil
}

// run processes all windows.
func (l *listening) run(ctx context.Context) error {
	l.clock = services.NewStageClock(ctx)
	l.sink.Progress(0, "decoding")
	for {
		l.clock.Skip() // others may have run
		w, err := l.cut.next(ctx)
		l.clock.Book(services.StageInput)
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		size := len(w.samples)
		values, err := l.model.infer(ctx, w.samples)
		l.clock.Book(services.StageInfer)
		if err != nil {
			return err
		}
		if err := l.take(w, values); err != nil {
			return err
		}
		l.clock.Book(services.StageOutput)
		l.processed += size - w.left - w.right
		if w.last {
			return nil // what is made of the values may take a while yet
		}
		l.sink.Progress(l.fraction(), "listening")
		if err := services.Yield(ctx); err != nil {
			return err
		}
	}
}

// fraction returns the completed fraction of the recording, below one until the end.
func (l *listening) fraction() float64 {
	total := l.cut.resampler.OutputLen(l.format.Frames)
	if total <= 0 {
		return 0
	}
	return min(float64(l.processed)/float64(total), 0.99)
}

// seconds returns the length of the whole recording after it has been read, because the
// length of some formats is unknown before.
func (l *listening) seconds() float64 { return l.cut.reader.Format().Duration().Seconds() }

// own returns the frames of a window that belong to no other window, each with the
// given number of values.
func (l *listening) own(w window, values []float32, width int) []float32 {
	from, to := w.ownFrames(len(values)/width, int(l.model.folder.Network.hop()))
	return values[from*width : max(from, to)*width]
}
