package audioprocessor

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/analysis"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	defaultSilenceDBFS    = -60
	defaultSilenceSeconds = 0.5
	// maxSeriesValues limits the size of an answer: 2 million values are about 20 MB.
	maxSeriesValues = 2_000_000
	// analyzerBytes are the tables, and analyzerBytesPerSecond what is kept of the sound:
	// onset strengths, loudness windows and the beats' search.
	analyzerBytes          = 8 * services.MiB
	analyzerBytesPerSecond = 1600
	bytesPerSeriesValue    = 32 // with its text
)

// measurement is an Analyze task.
type measurement struct {
	service *Service
	params  tasks.AnalyzeParams
	audio   services.AudioSource
	bytes   services.Bytes
	sizes   []services.Size
}

func (s *Service) prepareAnalysis(task services.Task) (*measurement, error) {
	m := &measurement{service: s, audio: task.Audio}
	if err := tasks.DecodeParams(task.Params, &m.params); err != nil {
		return nil, err
	}
	if len(m.params.Features) == 0 {
		m.params.Features = analysis.DefaultFeatures()
	}
	file, reader, err := s.openAudio(m.audio, m.params.Reading)
	if err != nil {
		return nil, err
	}
	err = m.plan(reader.Format())
	if err := errors.Join(err, reader.Close(), file.Close()); err != nil {
		return nil, err
	}
	return m, nil
}

// plan checks the number of values and estimates the memory.
func (m *measurement) plan(format audiofile.Format) error {
	seconds := format.Duration().Seconds()
	var values int64
	for _, name := range m.params.Series {
		n, err := analysis.SeriesValues(name, seconds)
		if err != nil {
			return services.Invalidf("series", "must be known names: %v", err)
		}
		values += n
	}
	if values > maxSeriesValues {
		return services.Invalidf("series", "would have %d values for a recording of %.0f s, the limit is %d; "+
			"ask for fewer series or for a part of the recording", values, seconds, maxSeriesValues)
	}
	m.bytes = decoderBytes + analyzerBytes + services.Bytes(analyzerBytesPerSecond*seconds) + services.Bytes(values*bytesPerSeriesValue) +
		services.Bytes(4*blockFrames*4*format.Channels)
	if format.Container == "ffmpeg" { // its memory is not measured
		m.bytes += ffmpegBytes
		return nil
	}
	m.sizes = []services.Size{
		{Name: "channels", Value: float64(format.Channels)}, {Name: "seconds", Value: seconds}, {Name: "values", Value: float64(values)},
	}
	return nil
}

// analyzer returns the analyzer of the task.
func (m *measurement) analyzer(format audiofile.Format) (*analysis.Analyzer, error) {
	cfg := analysis.Config{
		SampleRateHz: format.SampleRateHz, Channels: format.Channels, Features: m.params.Features, Series: m.params.Series,
		SilenceDBFS: defaultSilenceDBFS, SilenceSeconds: defaultSilenceSeconds,
	}
	if v := m.params.SilenceDBFS; v != nil {
		cfg.SilenceDBFS = *v
	}
	if v := m.params.SilenceSeconds; v != nil {
		cfg.SilenceSeconds = *v
	}
	a, err := analysis.New(cfg)
	if err != nil {
		return nil, services.Invalidf("file", "cannot be analyzed: %v", err)
	}
	return a, nil
}

func (m *measurement) run(ctx context.Context, sink services.Sink) (_ services.TaskResult, err error) {
	clock := services.NewStageClock(ctx)
	file, reader, err := m.service.openAudio(m.audio, m.params.Reading)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer func() { err = errors.Join(err, reader.Close(), file.Close()) }()
	analyzer, err := m.analyzer(reader.Format())
	if err != nil {
		return services.TaskResult{}, err
	}
	if err := measure(ctx, reader, analyzer, sink); err != nil {
		return services.TaskResult{}, err
	}
	report := analyzer.Finish()
	sink.Progress(1, "done")
	clock.Book(services.StageOutput)
	return services.TaskResult{
		Value:    &tasks.Analysis{Source: soundFormat(reader.Format()), Report: *report},
		Stages:   clock.Times(),
		Warnings: reader.Warnings(),
	}, nil
}

// measure streams the recording through the analyzer.
func measure(ctx context.Context, reader *audiofile.Reader, analyzer *analysis.Analyzer, sink services.Sink) error {
	format := reader.Format()
	block := make([]float32, blockFrames*format.Channels)
	var read int64
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
		if n%analyzeYieldBlocks == analyzeYieldBlocks-1 {
			if err := services.Yield(ctx); err != nil {
				return fmt.Errorf("analyze: %w", err)
			}
		}
		frames, err := reader.ReadFrames(block)
		analyzer.Write(block[:frames*format.Channels])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		read += int64(frames)
		sink.Progress(min(1, float64(read)/float64(format.Frames)), "analyzing")
	}
}

// analyzeYieldBlocks is the number of blocks between two calls of services.Yield, a few
// milliseconds of work.
const analyzeYieldBlocks = 2
