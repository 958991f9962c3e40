package audioprocessor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/drawing"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// The defaults of pictures.
const (
	defaultWidth         = 1200
	defaultHeight        = 400
	defaultFloorDB       = -100
	defaultLoudnessFloor = -60
	defaultWindow        = 2048
	lowestLogHz          = 20
)

// The values of DrawParams.
const (
	themeDark   = "dark"
	channelsMix = "mix"
	reduceMax   = "max"
)

// drawTask is a Draw task.
type drawTask struct {
	service *Service
	params  tasks.DrawParams
	audio   services.AudioSource
	bytes   services.Bytes
	sizes   []services.Size
}

func (s *Service) prepareDrawing(task services.Task) (*drawTask, error) {
	d := &drawTask{service: s, audio: task.Audio}
	if err := tasks.DecodeParams(task.Params, &d.params); err != nil {
		return nil, err
	}
	d.params.Kind = cmp.Or(d.params.Kind, string(drawing.Waveform))
	if err := d.checkFields(); err != nil {
		return nil, err
	}
	file, reader, err := s.openAudio(d.audio, services.Reading{Strict: d.params.Strict})
	if err != nil {
		return nil, err
	}
	err = d.plan(reader.Format())
	if err := errors.Join(err, reader.Close(), file.Close()); err != nil {
		return nil, err
	}
	return d, nil
}

// checkFields returns a fault for fields that other kinds of pictures have.
func (d *drawTask) checkFields() error {
	p := d.params
	fault := &services.Fault{Kind: services.KindInvalid}
	for _, field := range []struct {
		name  string
		set   bool
		kinds []drawing.Kind
		of    string
	}{
		{"frequency_scale", p.FrequencyScale != "", []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"min_frequency", p.MinFrequency != nil, []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"max_frequency", p.MaxFrequency != nil, []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"colors", p.Colors != "", []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"window", p.Window != 0, []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"reduce", p.Reduce != "", []drawing.Kind{drawing.Spectrogram}, "a spectrogram"},
		{"floor_db", p.FloorDB != nil, []drawing.Kind{drawing.Spectrogram, drawing.Loudness}, "a spectrogram or of loudness"},
		{"ceiling_db", p.CeilingDB != nil, []drawing.Kind{drawing.Spectrogram, drawing.Loudness}, "a spectrogram or of loudness"},
		{"channels", p.Channels != "", []drawing.Kind{drawing.Waveform, drawing.Spectrogram}, "a waveform or a spectrogram"},
	} {
		applies := false
		for _, kind := range field.kinds {
			applies = applies || string(kind) == p.Kind
		}
		if field.set && !applies {
			fault.Fields = append(fault.Fields, services.FieldError{Field: field.name, Problem: "is a parameter of " + field.of + " only"})
		}
	}
	if len(fault.Fields) > 0 {
		return fault
	}
	return nil
}

// plan checks the parameters and estimates the memory.
func (d *drawTask) plan(format audiofile.Format) error {
	cfg, _, err := d.config(format)
	if err == nil {
		_, err = drawing.New(cfg)
	}
	if err != nil {
		return drawingFault(err)
	}
	d.bytes = decoderBytes + services.Bytes(cfg.Bytes()) + services.Bytes(4*blockFrames*4*format.Channels)
	if format.Container == "ffmpeg" { // its memory is not measured
		d.bytes += ffmpegBytes
		return nil
	}
	d.sizes = []services.Size{
		{Name: "channels", Value: float64(format.Channels)}, {Name: "pixels", Value: float64(cfg.Width * cfg.Height)},
		{Name: "window", Value: float64(cfg.Window)},
	}
	return nil
}

// drawingFault returns the fault of an error of package drawing.
func drawingFault(err error) error {
	var field *drawing.FieldError
	if errors.As(err, &field) {
		return services.Invalidf(field.Field, "%s", field.Problem)
	}
	return err
}

// part returns the first frame of the part that is drawn and the one after its end.
func (d *drawTask) part(format audiofile.Format) (first, end int64, err error) {
	frames, rate := format.Frames, float64(format.SampleRateHz)
	end = frames
	if v := d.params.Start; v != nil {
		first = int64(math.Round(min(*v*rate, 1<<62)))
	}
	if v := d.params.End; v != nil {
		end = min(end, int64(math.Round(min(*v*rate, 1<<62))))
		if *v <= float64(first)/rate {
			return 0, 0, services.Invalidf("end", "must be after start, which is %g s, got %g", float64(first)/rate, *v)
		}
	}
	if first >= frames {
		return 0, 0, services.Invalidf("start", "must be before the end of the recording, which has %.6g s, got %g",
			float64(frames)/rate, *d.params.Start)
	}
	return first, max(end, first+1), nil
}

// config returns the description of the picture, and the first frame that is drawn.
func (d *drawTask) config(format audiofile.Format) (drawing.Config, int64, error) {
	p := d.params
	first, end, err := d.part(format)
	if err != nil {
		return drawing.Config{}, 0, err
	}
	or := func(v *float64, otherwise float64) float64 {
		if v != nil {
			return *v
		}
		return otherwise
	}
	size := func(v *int, otherwise int) int {
		if v != nil {
			return *v
		}
		return otherwise
	}
	cfg := drawing.Config{
		Kind: drawing.Kind(p.Kind), Width: size(p.Width, defaultWidth), Height: size(p.Height, defaultHeight),
		Dark: p.Theme == themeDark, Bare: p.Axes != nil && !*p.Axes, Colors: cmp.Or(p.Colors, drawing.ColorMaps()[0]),
		SampleRateHz: format.SampleRateHz, Channels: format.Channels, Mix: p.Channels == channelsMix,
		Frames: end - first, Start: float64(first) / float64(format.SampleRateHz),
		Scale: drawing.Scale(cmp.Or(p.FrequencyScale, string(drawing.Mel))), MaxHz: or(p.MaxFrequency, float64(format.SampleRateHz)/2),
		FloorDB: defaultFloorDB, CeilingDB: or(p.CeilingDB, 0), Window: cmp.Or(p.Window, defaultWindow), Peak: p.Reduce == reduceMax,
	}
	if cfg.Kind == drawing.Loudness {
		cfg.FloorDB = defaultLoudnessFloor
	}
	cfg.FloorDB = or(p.FloorDB, cfg.FloorDB)
	if cfg.Scale == drawing.Log {
		cfg.MinHz = lowestLogHz
	}
	cfg.MinHz = or(p.MinFrequency, cfg.MinHz)
	return cfg, first, nil
}

func (d *drawTask) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	clock := services.NewStageClock(ctx)
	defer services.Occupy(ctx, d.bytes-decoderBytes)()
	var format audiofile.Format
	var warnings []services.Warning
	var picture *drawing.Drawing
	var cfg drawing.Config
	err := d.service.readTwice(d.audio, d.params.Strict, func(reader *audiofile.Reader, known audiofile.Format) error {
		var first int64
		var err error
		if cfg, first, err = d.config(known); err != nil {
			return err
		}
		cfg.Step = ctx.Err
		if picture, err = drawing.New(cfg); err != nil {
			return drawingFault(err)
		}
		part := passage{first: first, end: first + cfg.Frames, write: picture.Write, doing: "drawing"}
		format = known
		err = part.read(ctx, reader, sink)
		warnings = reader.Warnings()
		return err
	}, func(reader *audiofile.Reader) error {
		part := passage{end: math.MaxInt64, write: func([]float32) error { return nil }, doing: "measuring the length"}
		return part.read(ctx, reader, sink)
	})
	if err == nil {
		err = picture.Finish()
	}
	if err != nil {
		return services.TaskResult{}, err
	}
	kind := cmp.Or(d.params.Format, tasks.FormatPNG)
	var out bytes.Buffer
	if err := picture.Encode(&out, drawing.Format(kind)); err != nil {
		return services.TaskResult{}, services.Internal(err, "the picture could not be encoded")
	}
	sink.Progress(1, "done")
	clock.Book(services.StageOutput)
	result := &tasks.Picture{
		Kind: d.params.Kind, Format: kind, Width: cfg.Width, Height: cfg.Height, Source: soundFormat(format), Data: out.Bytes(),
	}
	for _, p := range picture.Plots() {
		result.Plots = append(result.Plots, tasks.Plot{
			X: p.X, Y: p.Y, Width: p.Width, Height: p.Height, Channel: p.Channel, XAxis: axisView(p.XAxis), YAxis: axisView(p.YAxis),
		})
	}
	return services.TaskResult{Value: result, Stages: clock.Times(), Warnings: warnings}, nil
}

func axisView(a drawing.Axis) tasks.Axis {
	return tasks.Axis{From: a.From, To: a.To, Unit: a.Unit, Scale: string(a.Scale)}
}
