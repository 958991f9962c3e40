package clap

import (
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/dsp"
)

// maxWindowSeconds is the maximum length of a window.
const maxWindowSeconds = 30

// poolValues is the maximum number of values of a batch of windows that is pooled, unless a
// single window has more.
const poolValues = 1 << 19

// ear computes the vectors of windows of a recording, window by window.
type ear struct {
	model *model
	space string
	clock *services.StageClock
	sink  services.Sink
	slide *slider
	// perUnit is the length of a unit of the slider in seconds: of a frame, or of a
	// sample for a model that sees each window by itself.
	perUnit float64
}

// newEar returns an ear without tracks.
func newEar(ctx context.Context, m *model, space string, sink services.Sink) *ear {
	e := &ear{
		model: m, space: space, clock: services.NewStageClock(ctx), sink: sink, slide: &slider{width: 1},
		perUnit: 1 / float64(m.folder.Preprocessor.SampleRateHz),
	}
	if m.folder.Pooled {
		e.slide.width = int(m.folder.Network.Audio.Hidden) + 1 // with the weight of the frame
		e.perUnit = 1 / float64(m.folder.Network.Audio.FramesPerSecond)
	}
	return e
}

// units returns a length as a number of units.
func (e *ear) units(seconds float64) int { return max(1, int(seconds/e.perUnit+0.5)) }

// track adds windows of the given number of units. take receives the vector of each and
// its number of units.
func (e *ear) track(window, hop int, rest bool, take func(vector []float32, units int) error) {
	t := &track{window: window, hop: hop, rest: rest}
	e.slide.tracks = append(e.slide.tracks, t)
	if !e.model.folder.Pooled {
		t.take = func(ctx context.Context, samples []float32) error {
			vector, err := e.model.clip(ctx, samples, e.space)
			e.clock.Book(services.StageInfer)
			if err != nil {
				return err
			}
			if err := take(vector, len(samples)); err != nil {
				return err
			}
			return e.pause(ctx)
		}
		return
	}
	p := &pooling{ear: e, give: take}
	t.take, t.flush = p.add, p.run
}

// pause lets others run.
func (e *ear) pause(ctx context.Context) error {
	e.clock.Book(services.StageOutput)
	err := services.Yield(ctx)
	e.clock.Skip()
	return err
}

// pooling collects windows of frames of one length until they are a batch.
type pooling struct {
	ear             *ear
	give            func(vector []float32, units int) error
	frames, weights []float32
	count           int
}

// add adds a window.
func (p *pooling) add(ctx context.Context, units []float32) error {
	width := p.ear.slide.width
	if p.count > 0 && len(p.weights)/p.count != len(units)/width { // the last one
		if err := p.run(ctx); err != nil {
			return err
		}
	}
	for one := range slices.Chunk(units, width) {
		p.frames = append(p.frames, one[:width-1]...)
		p.weights = append(p.weights, one[width-1])
	}
	p.count++
	if len(p.frames)+len(p.frames)/p.count > poolValues {
		return p.run(ctx)
	}
	return nil
}

// run pools the windows that were collected.
func (p *pooling) run(ctx context.Context) error {
	if p.count == 0 {
		return nil
	}
	values, err := p.ear.model.pool(ctx, p.frames, p.weights, int64(p.count), p.ear.space)
	p.ear.clock.Book(services.StageInfer)
	if err != nil {
		return err
	}
	units := len(p.weights) / p.count
	for vector := range slices.Chunk(values, int(p.ear.model.folder.Network.Projection)) {
		if err := p.give(vector, units); err != nil {
			return err
		}
	}
	p.frames, p.weights, p.count = p.frames[:0], p.weights[:0], 0
	return p.ear.pause(ctx)
}

// listen reads a recording to its end.
func (e *ear) listen(ctx context.Context, sound *recording) error {
	e.sink.Progress(0, "decoding")
	add, end := e.slide.add, e.slide.end
	if e.model.folder.Pooled {
		f := &framing{ear: e, stream: e.model.extract.mel.Stream()}
		add, end = f.add, f.end
	}
	e.clock.Skip() // others may have run
	for last := false; !last; {
		samples, ended, err := sound.next(ctx)
		e.clock.Book(services.StageInput)
		if err == nil {
			err = add(ctx, samples)
		}
		if err != nil {
			return err
		}
		last = ended
		e.sink.Progress(sound.fraction(), "listening")
	}
	if sound.samples == 0 {
		return services.Invalidf("file", "has no sound")
	}
	return end(ctx)
}

// silentDB is the level of a row of the spectrogram at and below which it is digital
// silence.
const silentDB = -99.5

// framing turns samples into frames, chunk by chunk. A chunk is computed with so many rows
// around it that its frames do not depend on how the recording is split.
type framing struct {
	ear    *ear
	stream *dsp.MelStream
	// rows has those from number base on; total is the number of all so far.
	rows        []float32
	base, total int
	// done is the number of frames computed.
	done int
}

// add processes further samples.
func (f *framing) add(ctx context.Context, samples []float32) error {
	folder := f.ear.model.folder
	before := len(f.rows)
	f.rows = f.stream.Process(f.rows, samples)
	f.total += (len(f.rows) - before) / folder.Preprocessor.Bands
	each, chunk := folder.rowsPerFrame(), folder.rows()/folder.rowsPerFrame()
	for f.total >= (f.done+chunk+int(folder.Network.Audio.FrameContext))*each {
		if err := f.run(ctx, f.done+chunk); err != nil {
			return err
		}
	}
	return nil
}

// end processes what remains.
func (f *framing) end(ctx context.Context) error {
	folder := f.ear.model.folder
	before := len(f.rows)
	// Up to the last row that sees the recording, as if it were padded to full length.
	f.rows = f.stream.Process(f.rows, make([]float32, folder.Preprocessor.FFT))
	f.total += (len(f.rows) - before) / folder.Preprocessor.Bands
	each := folder.rowsPerFrame()
	if err := f.run(ctx, (f.total+each-1)/each); err != nil {
		return err
	}
	return f.ear.slide.end(ctx)
}

// run computes the frames up to a number.
func (f *framing) run(ctx context.Context, end int) error {
	e := f.ear
	folder := e.model.folder
	bands, each := folder.Preprocessor.Bands, folder.rowsPerFrame()
	around := int(folder.Network.Audio.FrameContext)
	first := max(0, f.done-around)
	from, to := first*each, min(f.total, (end+around)*each)
	rows := f.rows[(from-f.base)*bands : (to-f.base)*bands]
	e.clock.Book(services.StageInput)
	frames, err := e.model.frames(ctx, rows)
	e.clock.Book(services.StageInfer)
	if err != nil {
		return err
	}
	hidden := e.slide.width - 1
	units := make([]float32, 0, (end-f.done)*e.slide.width)
	for n := f.done; n < end; n++ {
		at := (n - first) * hidden
		units = append(units, frames[at:at+hidden]...)
		units = append(units, loudness(rows[(n-first)*each*bands:min(len(rows), (n-first+1)*each*bands)]))
	}
	f.done = end
	if keep := max(0, end-around) * each; keep > f.base {
		f.rows = f.rows[:copy(f.rows, f.rows[(keep-f.base)*bands:])]
		f.base = keep
	}
	if err := e.slide.add(ctx, units); err != nil {
		return err
	}
	return e.pause(ctx)
}

// loudness returns the weight of a frame with the given rows: next to nothing for digital
// silence, such as padding.
func loudness(rows []float32) float32 {
	if slices.Max(rows) > silentDB {
		return 1 + silence
	}
	return silence
}

// silence is the weight of a frame of digital silence.
const silence = 1e-5
