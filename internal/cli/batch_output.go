package cli

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// resultLine is an item of a batch that has ended.
type resultLine struct {
	Item   int    `json:"item"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
	Files []string `json:"files"`
}

// failed returns the error of an item, or "".
func (l resultLine) failed() string {
	called := l.Name
	if called == "" {
		called = fmt.Sprintf("item %d", l.Item)
	}
	switch {
	case l.Status != statusFailed && l.Status != statusCancelled:
		return ""
	case l.Error == nil:
		return called + ": " + l.Status
	}
	return called + ": " + l.Error.Message
}

// write prints or stores the results, reports the failed items, and returns an error if there
// are some.
func (w *manyWork) write(ctx context.Context, batch remoteBatch) error {
	w.bar.clear()
	write := w.print
	if w.folder != "" {
		write = w.store
	}
	if err := write(ctx); err != nil {
		return err
	}
	if batch.Counts.Failed+batch.Counts.Cancelled > 0 {
		return fmt.Errorf("%d of %d items failed, %d succeeded; the same command tries them again", batch.Counts.Failed+batch.Counts.Cancelled,
			batch.Items, batch.Counts.Succeeded)
	}
	return nil
}

// print prints the results as JSON lines.
func (w *manyWork) print(ctx context.Context) error {
	request, err := w.server.request(ctx, http.MethodGet, "v1/batches/"+w.id+"/results", nil)
	if err != nil {
		return err
	}
	response, err := w.server.client.Do(request)
	if err != nil {
		return unreachable(ctx, w.server.base, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return answerError(response)
	}
	out := bufio.NewWriter(w.out)
	err = eachLine(response.Body, func(raw []byte, line resultLine) error {
		if text := line.failed(); text != "" {
			w.note(text)
		}
		_, err := out.Write(raw)
		return err
	})
	if err != nil {
		return fmt.Errorf("the results could not be read: %w", err)
	}
	return out.Flush()
}

// eachLine calls visit with each line of results.
func eachLine(r io.Reader, visit func(raw []byte, line resultLine) error) error {
	buffered := bufio.NewReader(r)
	for {
		raw, err := buffered.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(raw) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		var line resultLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return err
		}
		if err := visit(raw, line); err != nil {
			return err
		}
	}
}

// store writes the results to files of the output folder, named after the items.
func (w *manyWork) store(ctx context.Context) (err error) {
	file, err := w.server.fetch(ctx, "v1/batches/"+w.id+"/results")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil {
		return fmt.Errorf("the results could not be read: %w", err)
	}
	lines, err := archive.Open("results.jsonl")
	if err != nil {
		return fmt.Errorf("the results could not be read: %w", err)
	}
	defer func() { _ = lines.Close() }() // it is only read
	existing := 0
	err = eachLine(lines, func(_ []byte, line resultLine) error {
		if text := line.failed(); text != "" {
			w.note(text)
		}
		for i, from := range line.Files {
			to := filepath.Join(w.folder, outputName(line, i, from))
			_, err := os.Lstat(to)
			if err == nil && !w.force {
				existing++
				continue
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := extract(archive, from, to, w.force); err != nil {
				return err
			}
		}
		return nil
	})
	if existing > 0 {
		w.note(fmt.Sprintf("%d files exist in %s and were not written; --force overwrites them", existing, w.folder))
	}
	return err
}

// outputName returns the path of a file below the output folder: that of the item, with the
// ending of the file. It never leaves the folder.
func outputName(line resultLine, number int, from string) string {
	clean := path.Clean("/" + strings.ReplaceAll(line.Name, `\`, "/"))[1:]
	base := strings.TrimSuffix(clean, path.Ext(clean))
	if base == "" || strings.HasSuffix(base, "/") {
		base += fmt.Sprintf("item-%05d", line.Item)
	}
	if number > 0 {
		base += fmt.Sprintf("-%d", number+1)
	}
	return filepath.FromSlash(base + path.Ext(path.Base(from)))
}

// extract writes a file of an archive.
func extract(archive *zip.Reader, from, to string, force bool) error {
	entry, err := archive.Open(from)
	if err != nil {
		return fmt.Errorf("the results could not be read: %w", err)
	}
	defer func() { _ = entry.Close() }() // it is only read
	data, err := io.ReadAll(entry)
	if err != nil {
		return fmt.Errorf("the results could not be read: %w", err)
	}
	return writeFile(to, data, force)
}
