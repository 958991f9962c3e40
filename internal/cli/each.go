package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// reporting has the flag for the progress of a command.
type reporting struct{ progress, progressSet bool }

func (r *reporting) bind(c *cobra.Command) {
	c.Flags().BoolVar(&r.progress, "progress", false, "print lines of progress where there is no terminal; =false shows no bar on one")
}

// changed notes whether the flag is set.
func (r *reporting) changed(c *cobra.Command) { r.progressSet = c.Flags().Changed("progress") }

// recordingArgs returns an error if no recording is named.
func recordingArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return misusef("%s needs a file, a folder, or - for the standard input", c.Name())
	}
	return nil
}

// completeRecordings completes the names of audio files.
func completeRecordings(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	withoutDot := make([]string, 0, len(audioExtensions))
	for _, extension := range audioExtensions {
		withoutDot = append(withoutDot, extension[1:])
	}
	return withoutDot, cobra.ShellCompDirectiveFilterFileExt
}

// each calls work for each recording and continues after one that fails. done is the past
// participle of the work, for messages. work calls progress.finish before it prints.
func (e *environment) each(ctx context.Context, recordings []*recording, how *reporting, done string,
	work func(r *recording, p *progress) error,
) error {
	terminal := isTerminal(e.streams.Err)
	var shown io.Writer
	if how.progress || terminal && !how.progressSet {
		shown = e.streams.Err
	}
	p := newProgress(shown, terminal, recordings)
	began, failed := time.Now(), 0
	for i, r := range recordings {
		p.start(r)
		err := r.err
		if err == nil {
			err = work(r, p)
		}
		p.clear()
		if ctx.Err() != nil {
			return interrupted(i, len(recordings))
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
		return fmt.Errorf("%d of %d recordings failed, %d %s", failed, len(recordings), len(recordings)-failed, done)
	}
	if shown != nil && len(recordings) > 1 {
		fmt.Fprintf(shown, "%s: %d recordings %s in %s\n", name, len(recordings), done, clock(time.Since(began)))
	}
	return nil
}

func interrupted(done, of int) error {
	if of == 1 {
		return errors.New("interrupted")
	}
	return fmt.Errorf("interrupted after %d of %d recordings", done, of)
}
