// Command grym-synth is an audio-job server in one binary. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/internal/command"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/version"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

const usage = `grym-synth serves audio jobs over HTTP, in one process.

Usage:
  grym-synth [serve]              serve until SIGTERM or SIGINT
  grym-synth transcribe FILE...   print the words in files
  grym-synth config               print every setting in force (--origins: and where it is from)
  grym-synth keys create          make an API key and print it (--scopes use,read,admin --expires 720h)
  grym-synth keys list            show what keys there are
  grym-synth keys revoke ID       end a key; a running server needs no restart
  grym-synth healthcheck          exit 0 if the server at api.listen is ready
  grym-synth version              print the version

Flags of transcribe:
  --model NAME     a folder under models (default services.wav2vec2.defaultModel)
  --format FORMAT  text, json, srt, vtt or verbose_json (default text)
  --output DIR     write a file for each recording instead of printing
  --decoding HOW   greedy or beam (default beam with a word list or a prompt)
  --prompt WORDS   words that are likely to be said
  --language CODE  told back in verbose_json
  --window SECONDS of long audio at a time, 1 to 30; 0 takes up to 30 s in one run (default 10)

Flags of every command:
  --config FILE    a YAML file with settings; config.yaml in the sources has them all
  --listen ADDR    host and port, port 0 picks one (default 127.0.0.1:8080)
  --data-dir DIR   where the server keeps its data (default ./data)
`

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, stop, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var misuse *usageError
	switch {
	case err == nil:
	case errors.As(err, &misuse):
		fmt.Fprintf(os.Stderr, "grym-synth: %v\nRun grym-synth --help for the commands and flags.\n", err)
		os.Exit(exitUsage)
	default:
		fmt.Fprintf(os.Stderr, "grym-synth: %v\n", err)
		os.Exit(exitFailed)
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// options are the command line.
type options struct {
	command string
	files   []string
	origins bool
	speech  command.Transcription
	// scopes and expires are of a new key.
	scopes  string
	expires time.Duration
	source  config.Source
}

var commands = []string{"serve", "transcribe", "config", "keys", "healthcheck", "version"}

func parse(args []string) (options, error) {
	o := options{command: "serve", source: config.Source{Environ: config.Environ(), Flags: make(map[string]string)}}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.command, args = args[0], args[1:]
	}
	if !slices.Contains(commands, o.command) {
		return o, &usageError{fmt.Sprintf("there is no command %q; there is %s", o.command, strings.Join(commands, ", "))}
	}
	flags := flag.NewFlagSet("grym-synth", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.source.File, "config", "", "")
	flags.Func("listen", "", func(v string) error { o.source.Flags["api.listen"] = v; return nil })
	flags.Func("data-dir", "", func(v string) error { o.source.Flags["dataDir"] = v; return nil })
	o.speech.Bind(flags)
	flags.StringVar(&o.scopes, "scopes", "use", "")
	flags.DurationVar(&o.expires, "expires", 0, "")
	flags.BoolVar(&o.origins, "origins", false, "")
	// Flags may stand before and behind the files.
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return o, err
			}
			return o, &usageError{err.Error()}
		}
		if flags.NArg() == 0 {
			break
		}
		o.files, args = append(o.files, flags.Arg(0)), flags.Args()[1:]
	}
	if o.command == "transcribe" && len(o.files) == 0 {
		return o, &usageError{"transcribe needs a file"}
	}
	if o.command == "keys" && len(o.files) == 0 {
		return o, &usageError{"keys needs create, list or revoke"}
	}
	if o.command != "transcribe" && o.command != "keys" && len(o.files) > 0 {
		return o, &usageError{fmt.Sprintf("%s takes no argument, got %q", o.command, o.files[0])}
	}
	return o, nil
}

func run(ctx context.Context, stop func(), args []string, stdout, stderr *os.File) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(stdout, usage)
		return err
	}
	if err != nil {
		return err
	}
	if o.command == "version" {
		_, err := fmt.Fprintf(stdout, "grym-synth %s (%s, %s)\n", version.Version, version.Commit(), version.Platform())
		return err
	}
	cfg, err := config.Load(o.source)
	if err != nil {
		return err
	}
	switch o.command {
	case "config":
		if o.origins {
			return cfg.WriteOrigins(stdout)
		}
		return cfg.WriteYAML(stdout)
	case "keys":
		return command.Keys(access.Open(cfg.DataDir), o.files, o.scopes, o.expires, stdout)
	case "healthcheck":
		return command.Healthcheck(ctx, cfg.API.Listen)
	case "transcribe":
		s, err := build(cfg.Config, os.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		o.speech.Files, o.speech.Out = o.files, stdout
		if term.IsTerminal(int(stderr.Fd())) {
			o.speech.Progress = stderr
		}
		err = o.speech.Transcribe(ctx, s.orchestrator, wav2vec2.Name)
		return errors.Join(err, s.close(context.Background()))
	default:
		level := new(slog.LevelVar)
		return serve(ctx, stop, o.source, cfg, level, newLogger(cfg.Log, level, stderr), stdout)
	}
}

// newLogger writes text for a person at a terminal and JSON for everything else.
// The level can change while it is in use.
func newLogger(cfg config.Log, level *slog.LevelVar, out *os.File) *slog.Logger {
	level.Set(cfg.Level)
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" || cfg.Format == "auto" && term.IsTerminal(int(out.Fd())) {
		return slog.New(slog.NewTextHandler(out, opts))
	}
	return slog.New(slog.NewJSONHandler(out, opts))
}
