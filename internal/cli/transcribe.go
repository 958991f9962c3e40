package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// transcriber turns one recording into text in the format asked for.
type transcriber interface {
	transcribe(ctx context.Context, t *transcription, r *recording, p *progress) ([]byte, error)
}

// transcription is what the transcribe command was asked for.
type transcription struct {
	model  string
	params tasks.TranscribeParams
	// format is one of tasks.TranscriptFormats.
	format string
	// folder takes a file for each recording; empty for the standard output.
	folder string
	force  bool
	// progress is asked for, or refused, where progressSet.
	progress, progressSet bool
	remote                remoteFlags
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
  ffmpeg -i film.mkv -f wav - | grym-synth transcribe -
  GRYM_API_KEY=grym_... grym-synth transcribe --server https://audio.example.org talk.mp3`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misusef("transcribe needs a file, a folder, or - for the standard input")
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			withoutDot := make([]string, 0, len(audioExtensions))
			for _, extension := range audioExtensions {
				withoutDot = append(withoutDot, extension[1:])
			}
			return withoutDot, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(c *cobra.Command, args []string) error {
			t.progressSet = c.Flags().Changed("progress")
			return e.transcribe(c.Context(), &t, args)
		},
	}
	t.bind(c)
	return c
}

// bind lets flags set what was asked for.
func (t *transcription) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&t.model, "model", "",
		"`NAME` of a model or an alias (default models.defaults.transcribe, else services.wav2vec2.defaultModel)")
	flags.StringVar(&t.format, "format", tasks.FormatText, "`FORMAT` of the words: "+strings.Join(tasks.TranscriptFormats(), ", "))
	flags.StringVar(&t.folder, "output", "", "`DIR` to write a file for each recording to, instead of printing")
	flags.BoolVar(&t.force, "force", false, "overwrite files in --output")
	flags.BoolVar(&t.progress, "progress", false, "print lines of progress where there is no terminal; =false shows no bar on one")
	flags.StringVar(&t.params.Decoding, "decoding", "", "`HOW` to decode: greedy or beam (default beam with a word list or a prompt)")
	flags.StringVar(&t.params.Prompt, "prompt", "", "`WORDS` that are likely to be said")
	flags.StringVar(&t.params.Language, "language", "", "`CODE` that verbose_json repeats")
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

// Limits of --window in seconds.
const (
	minWindow = 1
	maxWindow = 30
)

// check refuses bad values before anything is opened.
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
	if t.force && t.folder == "" {
		return misusef("--force needs --output")
	}
	return nil
}

// transcribe does the command. A recording that fails does not keep the others
// from being tried.
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
		return misusef("several files as %s need a folder to be written to: --output DIR", t.format)
	}
	if err := t.aim(recordings); err != nil {
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
		// What has to be given back is given back also after an interruption.
		defer func() { err = errors.Join(err, closeExecutor(context.WithoutCancel(ctx))) }()
		with = &local{executor}
	}
	return e.transcribeAll(ctx, t, recordings, with)
}

func (e *environment) transcribeAll(ctx context.Context, t *transcription, recordings []*recording, with transcriber) error {
	terminal := isTerminal(e.streams.Err)
	var shown io.Writer
	if t.progress || terminal && !t.progressSet {
		shown = e.streams.Err
	}
	p := newProgress(shown, terminal, recordings)
	began, failed := time.Now(), 0
	for i, r := range recordings {
		p.start(r)
		text, err := []byte(nil), r.err
		if err == nil {
			text, err = with.transcribe(ctx, t, r, p)
		}
		p.finish(err)
		if ctx.Err() != nil {
			return interrupted(i, len(recordings))
		}
		if err == nil {
			err = e.write(t, r, text, len(recordings) > 1)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", r.path, err)
		if len(recordings) == 1 {
			return err
		}
		failed++
		fmt.Fprintf(e.streams.Err, "%s: %v\n", name, err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d recordings failed, %d transcribed", failed, len(recordings), len(recordings)-failed)
	}
	if shown != nil && len(recordings) > 1 {
		fmt.Fprintf(shown, "%s: %d recordings transcribed in %s\n", name, len(recordings), clock(time.Since(began)))
	}
	return nil
}

func interrupted(done, of int) error {
	if of == 1 {
		return errors.New("interrupted")
	}
	return fmt.Errorf("interrupted after %d of %d recordings", done, of)
}

// write puts the words where they belong: a file, or the standard output with the
// recording's name where there are several.
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
