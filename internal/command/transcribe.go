package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/grym-synth/grym-synth/services"
)

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Transcribe prints the words in each file, with the file's name before them
// where there are several. A file that fails does not keep the others from
// being tried; the error joins all failures.
func Transcribe(ctx context.Context, executor Executor, service, model string, files []string, out io.Writer) error {
	var failed []error
	for _, name := range files {
		text, err := transcribe(ctx, executor, service, model, name)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if len(files) > 1 {
			text = name + ": " + text
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func transcribe(ctx context.Context, executor Executor, service, model, name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	result, err := executor.Execute(ctx, services.Task{
		ID: filepath.Base(name), Service: service, Name: services.TaskTranscribe, Model: model,
		Audio: diskFile{name, info.Size()},
	}, services.DiscardSink{})
	if err != nil {
		return "", err
	}
	transcription, ok := result.Value.(*services.Transcription)
	if !ok {
		return "", fmt.Errorf("transcribe gave %T", result.Value)
	}
	return transcription.Text, nil
}

// diskFile is a file of the user's.
type diskFile struct {
	name string
	size int64
}

// Open implements services.AudioSource.
func (f diskFile) Open() (io.ReadSeekCloser, error) { return os.Open(f.name) }

// Size implements services.AudioSource.
func (f diskFile) Size() int64 { return f.size }
