package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
)

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Transcription is what the transcribe command was asked for.
type Transcription struct {
	Files  []string
	Model  string
	Params services.TranscribeParams
	// Format is one of services.TranscriptFormats.
	Format string
	// Folder takes a file for each recording, named after it; empty for Out.
	Folder string
	Out    io.Writer
	// Progress shows a bar for each file while it is worked on; nil for none.
	Progress io.Writer
}

// Bind lets flags set what was asked for.
func (t *Transcription) Bind(flags *flag.FlagSet) {
	flags.StringVar(&t.Model, "model", "", "")
	flags.StringVar(&t.Format, "format", services.FormatText, "")
	flags.StringVar(&t.Folder, "output", "", "")
	flags.StringVar(&t.Params.Decoding, "decoding", "", "")
	flags.StringVar(&t.Params.Prompt, "prompt", "", "")
	flags.StringVar(&t.Params.Language, "language", "", "")
	flags.Func("window", "", func(text string) error {
		seconds, err := strconv.ParseFloat(text, 64)
		t.Params.WindowSeconds = &seconds
		return err
	})
}

// extensions of the files that the formats are written to.
var extensions = map[string]string{
	services.FormatText: ".txt", services.FormatJSON: ".json", services.FormatVerbose: ".json", services.FormatSRT: ".srt", services.FormatVTT: ".vtt",
}

// Transcribe writes down the words in each file. Texts of several files have the
// file's name before them; in other formats several files need a folder, because
// one after the other they would be no file of that format. A file that fails
// does not keep the others from being tried; the error joins all failures.
func (t Transcription) Transcribe(ctx context.Context, executor Executor, service string) error {
	if _, ok := extensions[t.Format]; !ok {
		return fmt.Errorf("--format must be one of %s, got %q", strings.Join(services.TranscriptFormats(), ", "), t.Format)
	}
	if len(t.Files) > 1 && t.Folder == "" && t.Format != services.FormatText {
		return fmt.Errorf("several files as %s need a folder to be written to: --output DIR", t.Format)
	}
	if err := t.distinct(); err != nil {
		return err
	}
	if t.Folder != "" {
		if err := os.MkdirAll(t.Folder, 0o750); err != nil {
			return err
		}
	}
	var failed []error
	for _, name := range t.Files {
		encoded, err := t.transcribe(ctx, executor, service, name)
		if err == nil {
			err = t.write(name, encoded)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// distinct refuses two recordings whose words would go to one file.
func (t Transcription) distinct() error {
	from := make(map[string]string)
	for _, name := range t.Files {
		to := t.target(name)
		if other, ok := from[to]; ok && t.Folder != "" {
			return fmt.Errorf("%s and %s would both be written to %s", other, name, to)
		}
		from[to] = name
	}
	return nil
}

// target is where the words of a recording go.
func (t Transcription) target(name string) string {
	base := filepath.Base(name)
	return filepath.Join(t.Folder, strings.TrimSuffix(base, filepath.Ext(base))+extensions[t.Format])
}

func (t Transcription) write(name string, encoded []byte) error {
	if len(encoded) == 0 || encoded[len(encoded)-1] != '\n' {
		encoded = append(encoded, '\n')
	}
	if t.Folder != "" {
		return os.WriteFile(t.target(name), encoded, 0o600)
	}
	if len(t.Files) > 1 {
		encoded = append([]byte(name+": "), encoded...)
	}
	_, err := t.Out.Write(encoded)
	return err
}

func (t Transcription) transcribe(ctx context.Context, executor Executor, service, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	params, err := json.Marshal(t.Params)
	if err != nil {
		return nil, err
	}
	var sink services.Sink = services.DiscardSink{}
	if t.Progress != nil {
		bar := newProgressBar(t.Progress, filepath.Base(name))
		defer bar.clear()
		sink = bar
	}
	result, err := executor.Execute(ctx, services.Task{
		ID: filepath.Base(name), Service: service, Name: services.TaskTranscribe, Model: t.Model, Params: params,
		Audio: diskFile{name, info.Size()},
	}, sink)
	if err != nil {
		return nil, err
	}
	transcription, ok := result.Value.(*services.Transcription)
	if !ok {
		return nil, fmt.Errorf("transcribe gave %T", result.Value)
	}
	return transcription.Encode(t.Format)
}

// diskFile is a file of the user's.
type diskFile struct {
	name string
	size int64
}

// Open implements services.AudioSource.
func (f diskFile) Open() (io.ReadSeekCloser, error) { return regular.Open(f.name) }

// Size implements services.AudioSource.
func (f diskFile) Size() int64 { return f.size }
