package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// manyJobs has the flags of the commands batch and run.
type manyJobs struct {
	// pipeline is set for run, whose name is that of a pipeline.
	pipeline bool
	name     string

	model, title, priority string
	params, labels         []string
	items, folder          string
	force, again           bool
	progress, progressSet  bool
	remote                 remoteFlags
}

func (e *environment) batchCommand() *cobra.Command {
	return e.manyJobsCommand(&manyJobs{}, &cobra.Command{
		Use:   "batch [flags] TASK FILE|FOLDER...",
		Short: "Run a task of a server on many files",
		Long: `Run a task of a running server on many files, as a batch of jobs. A folder
stands for all audio files below it. The results are printed as JSON lines, or
written to files with --output. The server is the one at the configured
address, or at --server.

The batch goes on if this command is interrupted or the server is restarted:
the same command follows it again, sends only what the server lacks, and runs
again only items that have failed. With --again everything is done anew.`,
		Example: `  grym-synth batch transcribe talks/
  grym-synth batch transcribe --param response_format=srt --output subtitles talks/
  grym-synth batch generate --items prompts.jsonl --output sounds
  grym-synth batch convert --param container=flac --label album=7 --output flac *.wav`,
	})
}

func (e *environment) runCommand() *cobra.Command {
	return e.manyJobsCommand(&manyJobs{pipeline: true}, &cobra.Command{
		Use:   "run [flags] PIPELINE FILE|FOLDER...",
		Short: "Run a pipeline of a server on many files",
		Long: `Run a pipeline of a running server on many files, as a batch with a run for
each. --param sets the inputs of the pipeline. Everything else is as with
batch: the same command goes on where it was interrupted.`,
		Example: `  grym-synth run clean-and-transcribe memos/
  grym-synth run describe-long-recording --output described talk.mp3
  grym-synth run generate-and-verify --param prompt="a rising siren"`,
	})
}

// manyJobsCommand adds the flags and the work to one of the two commands.
func (e *environment) manyJobsCommand(b *manyJobs, c *cobra.Command) *cobra.Command {
	what, example := "task", "transcribe"
	if b.pipeline {
		what, example = "pipeline", "clean-and-transcribe"
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return misusef("%s needs the name of a %s, such as %s", c.Name(), what, example)
		case len(args) == 1 && b.items == "" && !b.pipeline:
			return misusef("%s needs files, a folder, or --items", c.Name())
		case slices.Contains(args, standardInput):
			return misusef("%s cannot read the standard input; name files or folders", c.Name())
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		b.name, b.progressSet = args[0], c.Flags().Changed("progress")
		return e.runMany(c.Context(), b, args[1:])
	}
	flags := c.Flags()
	if !b.pipeline {
		flags.StringVar(&b.model, "model", "", "`NAME` of a model or an alias")
		complete(c, "model")
	}
	flags.StringArrayVar(&b.params, "param", nil, "`NAME=VALUE` of a parameter; the value is JSON, or else a text; repeatable")
	flags.StringVar(&b.items, "items", "", "`FILE` with further items as JSON lines, such as {\"name\":\"a\",\"params\":{...}}")
	flags.StringArrayVar(&b.labels, "label", nil, "`KEY=VALUE` of a label; repeatable")
	flags.StringVar(&b.title, "title", "", "`TEXT` that lists show")
	flags.StringVar(&b.priority, "priority", "", "`LEVEL` among waiting jobs: high, normal, low (default normal)")
	flags.StringVar(&b.folder, "output", "", "`DIR` to write the results to, a file for each, instead of printing")
	flags.BoolVar(&b.force, "force", false, "overwrite files in --output; without it they stay as they are")
	flags.BoolVar(&b.again, "again", false, "do everything anew, even if the same command has been run before")
	flags.BoolVar(&b.progress, "progress", false, "print lines of progress where there is no terminal; =false shows no bar on one")
	b.remote.bind(c)
	complete(c, "priority", "high", "normal", "low")
	for _, flag := range []string{"param", "label", "title"} {
		complete(c, flag)
	}
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	return c
}

// request is the first line of a batch, as the server reads it.
type request struct {
	Service  string            `json:"service,omitempty"`
	Task     string            `json:"task"`
	Params   map[string]any    `json:"params,omitempty"`
	Title    string            `json:"title,omitempty"`
	Priority string            `json:"priority,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// request returns what the items have in common.
func (b *manyJobs) request() (request, error) {
	r := request{Task: b.name, Title: b.title, Priority: b.priority, Labels: make(map[string]string)}
	params := make(map[string]any)
	for _, param := range b.params {
		key, text, ok := strings.Cut(param, "=")
		if !ok || key == "" {
			return r, misusef("--param must be NAME=VALUE, got %q", param)
		}
		params[key] = jsonOrText(text)
	}
	if b.model != "" {
		params["model"] = b.model
	}
	for _, label := range b.labels {
		key, text, ok := strings.Cut(label, "=")
		if !ok || key == "" {
			return r, misusef("--label must be KEY=VALUE, got %q", label)
		}
		r.Labels[key] = text
	}
	r.Params = params
	if b.pipeline {
		r.Service, r.Task, r.Params = "pipelines", "run", map[string]any{"pipeline": b.name}
		if len(params) > 0 {
			r.Params["input"] = params
		}
	}
	return r, nil
}

// jsonOrText returns the value of a JSON text, or the text.
func jsonOrText(text string) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil || decoder.More() {
		return text
	}
	return value
}

// batchItem is an input of a batch.
type batchItem struct {
	Name    string `json:"name,omitempty"`
	AudioID string `json:"audio_id,omitempty"`
	file    *recording
}

// runMany runs the command.
func (e *environment) runMany(ctx context.Context, b *manyJobs, args []string) error {
	r, err := b.request()
	if err != nil {
		return err
	}
	if b.force && b.folder == "" {
		return misusef("--force needs --output")
	}
	s, err := b.remote.serverOrLocal(e)
	if err != nil {
		return err
	}
	note := func(text string) { fmt.Fprintf(e.streams.Err, "%s: %s\n", name, text) }
	recordings, err := find(args, e.streams.In, note)
	if err != nil {
		return err
	}
	for _, one := range recordings {
		if one.err != nil {
			return fmt.Errorf("%s: %w", one.path, one.err)
		}
	}
	terminal := isTerminal(e.streams.Err)
	var shown io.Writer
	if b.progress || terminal && !b.progressSet {
		shown = e.streams.Err
	}
	work := &manyWork{
		manyJobs: b, server: s, note: note, out: e.streams.Out, shown: shown, terminal: terminal, bar: &counter{out: shown, bar: terminal},
	}
	err = work.run(ctx, r, recordings)
	work.bar.clear()
	if ctx.Err() != nil && work.id != "" {
		return fmt.Errorf("interrupted; batch %s goes on; the same command follows it, and %s stops it", work.id,
			"curl -X DELETE "+s.base.JoinPath("v1/batches", work.id).String())
	}
	return err
}

// manyWork is one run of the command.
type manyWork struct {
	*manyJobs
	server *server
	note   func(string)
	out    io.Writer
	// shown is where progress is printed, or nil; terminal reports whether it is one.
	shown    io.Writer
	terminal bool
	bar      *counter
	// id of the batch, once it is accepted.
	id string
}

// run submits the batch, or finds the one that the same command submitted, follows it and
// writes its results.
func (w *manyWork) run(ctx context.Context, r request, recordings []*recording) error {
	var items []batchItem
	for _, one := range recordings {
		id, err := w.hash(ctx, one)
		if err != nil {
			return fmt.Errorf("%s: %w", one.path, err)
		}
		items = append(items, batchItem{Name: filepath.ToSlash(one.within), AudioID: id, file: one})
	}
	body, err := w.lines(r, items)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	key := "cli-" + hex.EncodeToString(sum[:])
	if w.again {
		key += "-" + rand.Text()
	}
	batch, existed, err := w.server.submitBatch(ctx, body, key)
	var lacking *lackingAudio
	if errors.As(err, &lacking) {
		if err := w.upload(ctx, items); err != nil {
			return err
		}
		batch, existed, err = w.server.submitBatch(ctx, body, key)
	}
	if err != nil {
		return err
	}
	w.id = batch.ID
	if existed && (batch.Status == statusFailed || batch.Status == statusCancelled) {
		if err := w.upload(ctx, items); err != nil { // what has expired
			return err
		}
		if err := w.server.retryBatch(ctx, batch.ID); err != nil {
			return err
		}
	}
	if batch, err = w.follow(ctx); err != nil {
		return err
	}
	return w.write(ctx, batch)
}

// lines returns the body of the submission: the request and the items.
func (w *manyWork) lines(r request, items []batchItem) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	if err := encoder.Encode(map[string]request{"batch": r}); err != nil {
		return nil, err
	}
	for _, item := range items {
		if err := encoder.Encode(item); err != nil {
			return nil, err
		}
	}
	if w.items != "" {
		more, err := os.ReadFile(w.items)
		if err != nil {
			return nil, err
		}
		body.Write(more)
	} else if len(items) == 0 {
		body.WriteString("{}\n") // a pipeline without a recording
	}
	return body.Bytes(), nil
}

// hash returns the id that a recording has on the server.
func (w *manyWork) hash(ctx context.Context, r *recording) (string, error) {
	file, err := r.open(ctx)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &interruptible{ctx, file}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// upload stores the recordings that the server lacks.
func (w *manyWork) upload(ctx context.Context, items []batchItem) error {
	var lacking []*recording
	asked := make(map[string]bool)
	for _, item := range items {
		if asked[item.AudioID] {
			continue
		}
		asked[item.AudioID] = true
		has, err := w.server.hasAudio(ctx, item.AudioID)
		if err != nil {
			return fmt.Errorf("%s: %w", item.file.path, err)
		}
		if !has {
			lacking = append(lacking, item.file)
		}
	}
	p := newProgress(w.shown, w.terminal, lacking)
	for _, one := range lacking {
		p.start(one)
		err := w.server.storeAudio(ctx, one, p)
		p.finish(err)
		if err != nil {
			return fmt.Errorf("%s: %w", one.path, err)
		}
	}
	return nil
}
