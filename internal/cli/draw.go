package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// kindPeaks is the kind of a picture that the player draws.
const kindPeaks = "peaks"

// drawKinds are the values of --kind.
var drawKinds = []string{"waveform", "spectrogram", "loudness", kindPeaks}

// drawFlag is a flag that sets a parameter of the task.
type drawFlag struct {
	name  string
	whole bool // else a number or a text
	text  bool
	usage string
	// peaks reports whether it is a parameter of peaks, and picture one of pictures.
	peaks, picture bool
	values         []string
}

// param returns the name of the parameter.
func (f drawFlag) param() string { return strings.ReplaceAll(f.name, "-", "_") }

var drawFlags = []drawFlag{
	{name: "width", whole: true, picture: true, usage: "`PIXELS` of the picture (default 1200)"},
	{name: "height", whole: true, picture: true, usage: "`PIXELS` of the picture (default 400)"},
	{name: "theme", text: true, picture: true, values: []string{"light", "dark"}, usage: "`NAME`: light or dark (default light)"},
	{name: "channels", text: true, picture: true, peaks: true, values: []string{"each", "mix"}, usage: "`HOW` they are drawn: each or mix " +
		"(default each)"},
	{name: "start", picture: true, usage: "`SECONDS` where the picture begins (default 0)"},
	{name: "end", picture: true, usage: "`SECONDS` where it ends (default at the end)"},
	{name: "floor-db", picture: true, usage: "`DB`, the lowest level (default -100 of a spectrogram, -60 of loudness)"},
	{name: "ceiling-db", picture: true, usage: "`DB`, the highest level (default 0)"},
	{name: "frequency-scale", text: true, picture: true, values: []string{"linear", "log", "mel"}, usage: "`NAME`: linear, log, mel " +
		"(default mel)"},
	{name: "min-frequency", picture: true, usage: "`HERTZ`, the lowest frequency (default 0, or 20 on the scale log)"},
	{name: "max-frequency", picture: true, usage: "`HERTZ`, the highest frequency (default half the sample rate)"},
	{name: "colors", text: true, picture: true, values: []string{"viridis", "cividis", "magma", "gray"}, usage: "`NAME` of the colour map: " +
		"viridis, cividis, magma, gray (default viridis)"},
	{name: "window", whole: true, picture: true, usage: "`SAMPLES` of the transform, 256 to 16384 (default 2048)"},
	{name: "reduce", text: true, picture: true, values: []string{"mean", "max"}, usage: "`HOW` the time of a pixel is reduced: mean or max " +
		"(default mean)"},
	{name: "samples-per-pixel", whole: true, peaks: true, usage: "`SAMPLES` of a peak"},
	{name: "pixels", whole: true, peaks: true, usage: "`COUNT` of peaks instead (default 2000)"},
	{name: "bits", whole: true, peaks: true, values: []string{"8", "16"}, usage: "`BITS` of a peak: 8 or 16 (default 16)"},
}

// drawFormat is a format of the results, with its content type.
type drawFormat struct{ name, contentType string }

var (
	pictureFormats = []drawFormat{{tasks.FormatPNG, "image/png"}, {tasks.FormatSVG, "image/svg+xml"}, {tasks.FormatJSON, contentJSON}}
	peakFormats    = []drawFormat{{tasks.FormatJSON, contentJSON}, {tasks.FormatDat, "application/octet-stream"}}
)

func (e *environment) drawCommand() *cobra.Command {
	w := &soundWork{task: tasks.Draw, route: "v1/audio/pictures", done: "drawn", params: make(map[string]any)}
	kind, format, axes := "", "", true
	c := &cobra.Command{
		Use:   "draw [flags] FILE|FOLDER|-...",
		Short: "Draw waveforms, spectrograms or loudness",
		Long: `Draw the waveform, the spectrogram or the loudness over time of recordings, or
compute the peaks that players such as wavesurfer.js draw. The work is done in
this process, or by a running server with --server.`,
		Example: `  grym-synth draw talk.wav -o talk.png
  grym-synth draw --kind spectrogram --theme dark --frequency-scale log -o pictures/ talks/
  grym-synth draw --kind peaks --samples-per-pixel 256 -o talk.dat talk.wav`,
		Args: recordingArgs, ValidArgsFunction: completeRecordings,
		RunE: func(c *cobra.Command, args []string) error {
			w.changed(c)
			if err := w.draws(c, kind, format, axes); err != nil {
				return err
			}
			return e.runSound(c.Context(), w, args, []string{".png", ".svg", ".json", ".dat"})
		},
	}
	c.Flags().StringVar(&kind, "kind", drawKinds[0], "`KIND` of picture: "+strings.Join(drawKinds, ", "))
	c.Flags().StringVar(&format, "format", "", "`FORMAT`: png, svg, json, of peaks json, dat (default by --output, else png or json)")
	c.Flags().BoolVar(&axes, "axes", true, "draw axes")
	for _, flag := range drawFlags {
		c.Flags().String(flag.name, "", flag.usage)
		complete(c, flag.name, flag.values...)
	}
	w.bind(c, "the picture")
	complete(c, "kind", drawKinds...)
	complete(c, "format", tasks.FormatPNG, tasks.FormatSVG, tasks.FormatJSON, tasks.FormatDat)
	return c
}

// draws sets the task from the flags.
func (w *soundWork) draws(c *cobra.Command, kind, format string, axes bool) error {
	if err := known("kind", kind, drawKinds); err != nil {
		return err
	}
	formats := pictureFormats
	if kind == kindPeaks {
		w.task, w.route, formats = tasks.ComputePeaks, "v1/audio/peaks", peakFormats
	} else {
		w.params["kind"] = kind
	}
	if c.Flags().Changed("axes") {
		if kind == kindPeaks {
			return misusef("--axes is not a flag of --kind peaks")
		}
		w.params["axes"] = axes
	}
	for _, flag := range drawFlags {
		if err := w.drawFlag(c, flag, kind); err != nil {
			return err
		}
	}
	if w.to == "" {
		return misusef("draw needs --output FILE, DIR, or - for the standard output")
	}
	var names, extensions []string
	for _, one := range formats {
		names, extensions = append(names, one.name), append(extensions, "."+one.name)
	}
	if extension := w.outputExtension([]string{".png", ".svg", ".json", ".dat"}); extension != "" {
		if !slices.Contains(extensions, extension) || format != "" && "."+format != extension {
			return misusef("--output %s does not fit the formats of %s: %s", w.to, kind, strings.Join(names, ", "))
		}
		format = extension[1:]
	}
	format = cmp.Or(format, formats[0].name)
	at := slices.Index(names, format)
	if at < 0 {
		return misusef("--format must be one of %s, got %q", strings.Join(names, ", "), format)
	}
	w.extension, w.accept = "."+format, formats[at].contentType
	if format == tasks.FormatSVG {
		w.params["format"] = format
	}
	return nil
}

// drawFlag sets the parameter of one flag.
func (w *soundWork) drawFlag(c *cobra.Command, flag drawFlag, kind string) error {
	if !c.Flags().Changed(flag.name) {
		return nil
	}
	if kind == kindPeaks && !flag.peaks || kind != kindPeaks && !flag.picture {
		return misusef("--%s is not a flag of --kind %s", flag.name, kind)
	}
	text := c.Flags().Lookup(flag.name).Value.String()
	var value any = text
	var err error
	switch {
	case flag.whole:
		if value, err = strconv.ParseInt(text, 10, 64); err != nil {
			return misusef("--%s must be a whole number, got %q", flag.name, text)
		}
	case !flag.text:
		if value, err = strconv.ParseFloat(text, 64); err != nil {
			return misusef("--%s must be a number, got %q", flag.name, text)
		}
	}
	w.params[flag.param()] = value
	return nil
}
