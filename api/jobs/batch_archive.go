package jobs

import (
	"archive/zip"
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// linesFile is the file of an archive with a line for each item.
const linesFile = "results.jsonl"

// batchArchive is a response with the results of a batch in a zip archive.
type batchArchive struct{ batchResults }

// VisitGetBatchResultsResponse implements gen.GetBatchResultsResponseObject.
func (b batchArchive) VisitGetBatchResultsResponse(w http.ResponseWriter) (err error) {
	// The file with the lines comes last and names the others.
	lines, err := os.CreateTemp(b.SpoolDir, "batch-*")
	if err != nil {
		return services.Unstored(err, services.KindUnavailable, "the archive could not be made")
	}
	defer func() { err = errors.Join(err, lines.Close(), os.Remove(lines.Name())) }()
	b.header(w, "application/zip", ".zip")
	counted := &countingWriter{w: w}
	archive := &archive{zip: zip.NewWriter(counted), taken: map[string]bool{linesFile: true}, sounds: b.Sounds, owner: b.batch.Owner}
	buffered := bufio.NewWriter(lines)
	encoder := json.NewEncoder(buffered)
	err = b.Batches.Results(b.ctx, web.ViewerOf(b.ctx), b.batch.ID, func(r batches.Result) error {
		line, err := archive.add(b.ctx, r)
		if err != nil {
			return err
		}
		return encoder.Encode(line)
	})
	if err == nil {
		err = errors.Join(buffered.Flush(), archive.end(lines))
	}
	return b.broken(w, counted.n, err)
}

// archive writes the results of items as files.
type archive struct {
	zip    *zip.Writer
	taken  map[string]bool
	sounds web.Sounds
	owner  string
}

// add writes the files of an item and returns its line, which names them.
func (a *archive) add(ctx context.Context, r batches.Result) (gen.BatchResult, error) {
	line := resultView(r)
	if r.Status != jobs.StatusSucceeded {
		return line, nil
	}
	base := fileBase(r)
	for _, sound := range r.Sounds {
		name, err := a.addSound(ctx, base, sound, r.Finished)
		if err != nil {
			return line, err
		}
		line.Files = append(line.Files, name)
	}
	value := tasks.NewResult(r.Task)
	form := resultForms(r.AsJob(), value)[0]
	if form.Name == formAudio {
		body, err := jsonResult(r)
		line.Result = &body // the sound is the result, and this describes it
		return line, err
	}
	body, err := encodeResult(r.AsJob(), form, r.Result, value)
	if err != nil {
		return line, services.Internal(err, "the result of item %d could not be encoded", r.Item)
	}
	name := a.name(base, formEnding(form))
	entry, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: r.Finished})
	if err == nil {
		_, err = entry.Write(body.Text)
	}
	line.Files = append(line.Files, name)
	return line, err
}

// addSound writes a sound under a name, which it returns.
func (a *archive) addSound(ctx context.Context, base string, sound jobs.Sound, made time.Time) (string, error) {
	content, _, err := a.sounds.Open(ctx, services.Caller{Key: a.owner, All: true}, sound.AudioID)
	if err != nil {
		return "", err
	}
	defer content.Close()
	name := a.name(base, web.Ending(sound.ContentType))
	entry, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: made})
	if err != nil {
		return "", err
	}
	_, err = io.Copy(entry, content)
	return name, err
}

// end writes the lines and closes the archive.
func (a *archive) end(lines *os.File) error {
	entry, err := a.zip.Create(linesFile)
	if err != nil {
		return err
	}
	if _, err := lines.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(entry, lines); err != nil {
		return err
	}
	return a.zip.Close()
}

// name returns a name that no other file has.
func (a *archive) name(base, ending string) string {
	name := base + ending
	for n := 2; a.taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s-%d%s", base, n, ending)
	}
	a.taken[strings.ToLower(name)] = true
	return name
}

// fileBase returns the name of an item's files without ending: that of the item without
// folders and its own ending, or its number.
func fileBase(r batches.Result) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, r.Request.Name)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	return cmp.Or(strings.Trim(name, ". "), fmt.Sprintf("item-%05d", r.Item))
}

// formEnding returns the ending of files in a form.
func formEnding(form services.Form) string {
	switch {
	case form.Encode == nil:
		return ".json"
	case form.Name == tasks.FormatText:
		return ".txt"
	}
	return "." + form.Name
}
