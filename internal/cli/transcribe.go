package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// transcriber converts a recording to text in the requested format.
type transcriber interface {
	transcribe(ctx context.Context, t *transcription, r *recording, p *progress) ([]byte, error)
}

// transcription has the flags of the transcribe command.
type transcription struct {
	model  string
	params tasks.TranscribeParams
	// translate asks for English text.
	translate bool
	// format is one of tasks.TranscriptFormats.
	format string
	outputs
	reporting
	remote remoteFlags
}

func (e *environment) transcribeCommand() *cobra.Command {
	var t transcription
	c := &cobra.Command{
		Use:   "transcribe [flags] FILE|FOLDER|-...",
		Short: "Print the words in recordings",
		Long: `Print the words in recordings, or write them to files with --output. A folder
stands for all audio files below it, by their names; - is the standard input.
The work is done in this process, or by a running server with --server.

A recording that fails does not stop the others; the exit code is then 1. No
file is overwritten without --force.`,
		Example: `  grym-synth transcribe talk.mp3
  grym-synth transcribe --format srt --output subtitles talks/
  grym-synth transcribe --translate --model whisper-base vortrag.mp3
  ffmpeg -i film.mkv -f wav - | grym-synth transcribe -
  GRYM_API_KEY=grym_... grym-synth transcribe --server https://audio.example.org talk.mp3`,
		Args: recordingArgs, ValidArgsFunction: completeRecordings,
		RunE: func(c *cobra.Command, args []string) error {
			t.changed(c)
			return e.transcribe(c.Context(), &t, args)
		},
	}
	t.bind(c)
	return c
}

// bind adds the flags to the command.
func (t *transcription) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&t.model, "model", "",
		"`NAME` of a model or an alias (default models.defaults.transcribe or translate, else the service's defaultModel)")
	flags.StringVar(&t.format, "format", tasks.FormatText, "`FORMAT` of the words: "+strings.Join(tasks.TranscriptFormats(), ", "))
	flags.StringVar(&t.folder, "output", "", "`DIR` to write a file for each recording to, instead of printing")
	flags.BoolVar(&t.force, "force", false, "overwrite files in --output")
	t.reporting.bind(c)
	flags.StringVar(&t.params.Decoding, "decoding", "", "`HOW` to decode: greedy or beam (default beam with a word list or a prompt)")
	flags.StringVar(&t.params.Prompt, "prompt", "", "`WORDS` that are likely to be spoken")
	flags.StringVar(&t.params.Language, "language", "", "`CODE` of the spoken language, which verbose_json repeats")
	flags.BoolVar(&t.translate, "translate", false, "write English text, with a Whisper model of several languages")
	flags.Func("window", "`SECONDS` of long audio at a time, 1 to 30; 0 takes up to 30 s in one run (default 10)", func(text string) error {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds != 0 && !(seconds >= minWindow && seconds <= maxWindow) {
			return fmt.Errorf("must be 0 or from %d to %d seconds, got %q", minWindow, maxWindow, text)
		}
		t.params.WindowSeconds = &seconds
		return nil
	})
	t.remote.bind(c)
	complete(c, "format", tasks.TranscriptFormats()...)
	complete(c, "decoding", tasks.DecodingGreedy, tasks.DecodingBeam)
	for _, flag := range []string{"model", "prompt", "language", "window"} {
		complete(c, flag)
	}
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
}

// task returns the name of the task.
func (t *transcription) task() string {
	if t.translate {
		return tasks.Translate
	}
	return tasks.Transcribe
}

// Limits of --window in seconds.
const (
	minWindow = 1
	maxWindow = 30
)

// check returns an error for invalid values before anything is opened.
func (t *transcription) check() error {
	if !slices.Contains(tasks.TranscriptFormats(), t.format) {
		return misusef("--format must be one of %s, got %q", strings.Join(tasks.TranscriptFormats(), ", "), t.format)
	}
	if d := t.params.Decoding; d != "" && d != tasks.DecodingGreedy && d != tasks.DecodingBeam {
		return misusef("--decoding must be greedy or beam, got %q", d)
	}
	if n := len(t.params.Prompt); n > tasks.MaxPromptBytes {
		return misusef("--prompt must be at most %d bytes, got %d", tasks.MaxPromptBytes, n)
	}
	if t.translate && t.params.WindowSeconds != nil {
		return misusef("--translate and --window cannot be combined: a model that translates has windows of one length")
	}
	if t.force && t.folder == "" {
		return misusef("--force needs --output")
	}
	return nil
}

// transcribe runs the command. It continues after a recording that fails.
func (e *environment) transcribe(ctx context.Context, t *transcription, args []string) (err error) {
	if err := t.check(); err != nil {
		return err
	}
	remote, err := t.remote.server(e.Program)
	if err != nil {
		return err
	}
	recordings, err := find(args, e.streams.In, func(text string) { fmt.Fprintf(e.streams.Err, "%s: %s\n", name, text) })
	if err != nil {
		return err
	}
	if len(recordings) > 1 && t.folder == "" && t.format != tasks.FormatText {
		return misusef("several files in the format %s need an output folder: --output DIR", t.format)
	}
	if err := t.aim(recordings, extensions[t.format]); err != nil {
		return err
	}
	var with transcriber
	switch {
	case remote != nil:
		with = remote
	case slices.ContainsFunc(recordings, func(r *recording) bool { return r.err == nil }):
		executor, closeExecutor, failed := e.OpenExecutor(e.settings)
		if failed != nil {
			return failed
		}
		// Resources are released even after an interruption.
		defer func() { err = errors.Join(err, closeExecutor(context.WithoutCancel(ctx))) }()
		with = &local{executor}
	}
	return e.transcribeAll(ctx, t, recordings, with)
}

func (e *environment) transcribeAll(ctx context.Context, t *transcription, recordings []*recording, with transcriber) error {
	return e.each(ctx, recordings, &t.reporting, "transcribed", func(r *recording, p *progress) error {
		text, err := with.transcribe(ctx, t, r, p)
		p.finish(err)
		if err != nil || ctx.Err() != nil {
			return err
		}
		return e.write(t, r, text, len(recordings) > 1)
	})
}

// write writes the text to its file, or to the standard output, with the recording's name
// if there are several.
func (e *environment) write(t *transcription, r *recording, text []byte, several bool) error {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	if t.folder != "" {
		return writeFile(r.target, text, t.force)
	}
	if several {
		text = append([]byte(r.path+": "), text...)
	}
	_, err := e.streams.Out.Write(text)
	return err
}
