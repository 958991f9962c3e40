package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/internal/cli"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

// storeTools implements cli.StoreTools.
type storeTools struct{ cfg config.Config }

// BackUp implements cli.StoreTools.
func (t storeTools) BackUp(ctx context.Context, file string) (cli.StoreBackup, error) {
	if within, err := filepath.Rel(t.cfg.DataDir, t.cfg.JobsDir()); err != nil || !filepath.IsLocal(within) {
		return cli.StoreBackup{}, fmt.Errorf("jobs.dir is %s, outside of the data folder; back it up together with %s by other means",
			t.cfg.JobsDir(), t.cfg.DataDir)
	}
	dir, err := datadir.OpenExisting(t.cfg.DataDir)
	if err != nil {
		return cli.StoreBackup{}, err
	}
	done, err := dir.BackUp(ctx, file)
	return cli.StoreBackup(done), errors.Join(err, dir.Close())
}

// Restore implements cli.StoreTools.
func (t storeTools) Restore(ctx context.Context, file string) (cli.StoreBackup, error) {
	done, err := datadir.Restore(ctx, file, t.cfg.DataDir)
	return cli.StoreBackup(done), err
}

// Check implements cli.StoreTools. The store is opened in a copy, because opening it
// repairs it.
func (t storeTools) Check(ctx context.Context, scratch string) (report cli.StoreReport, err error) {
	if t.cfg.Jobs.Store.URL != "" {
		return report, errors.New("jobs.url is set: the store is in a cluster, and has no files here")
	}
	dir, err := datadir.OpenExisting(t.cfg.DataDir)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	copied, err := copyStore(t.cfg.JobsDir(), scratch)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(copied)) }()
	settings := t.cfg.Jobs.Store
	settings.Dir = filepath.Join(copied, "jobs")
	store := natsstore.New(settings, memprobe.DiskFree, slog.New(slog.DiscardHandler))
	if err := store.Start(ctx); err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, store.Stop(context.WithoutCancel(ctx))) }()
	if problem := store.Problem(); problem != "" {
		return report, errors.New(problem)
	}
	noted, err := ledger.Read(ledgerFile(t.cfg))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report, err
	}
	c := &storeCheck{store: store, report: cli.StoreReport{Records: make(map[string]int), Noted: -1}, have: make(map[string]uint64)}
	if err == nil {
		c.noted = noted
	}
	return c.run(ctx)
}

// copyStore copies the store's files to a new folder in scratch, and returns it.
func copyStore(from, scratch string) (string, error) {
	var size int64
	err := filepath.WalkDir(from, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if free, err := memprobe.DiskFree(scratch); err == nil && int64(free) < size+size/16 {
		return "", fmt.Errorf("the store has %s, and %s has %s free for a copy; choose another folder with --scratch", services.Bytes(size),
			scratch, free)
	}
	to, err := os.MkdirTemp(scratch, "grym-synth-check-*")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(filepath.Join(to, "jobs"), os.DirFS(from)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(err, os.RemoveAll(to))
	}
	return to, nil
}

// storeCheck reads a whole store.
type storeCheck struct {
	store  *natsstore.Store
	noted  *ledger.Ledger // nil if there is none
	report cli.StoreReport
	have   map[string]uint64
	// needs are the objects that records refer to, with the records.
	needs map[string]string
}

func (c *storeCheck) fault(format string, args ...any) {
	c.report.Faults = append(c.report.Faults, fmt.Sprintf(format, args...))
}

func (c *storeCheck) run(ctx context.Context) (cli.StoreReport, error) {
	if err := c.readRecords(ctx); err != nil {
		return c.report, err
	}
	c.compare()
	return c.report, c.readObjects(ctx)
}

// readRecords reads every record.
func (c *storeCheck) readRecords(ctx context.Context) error {
	c.needs = make(map[string]string)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	complete := false
	err := c.store.Watch(watching, func(change records.Change) {
		switch {
		case change.CaughtUp:
			complete = true
			stop()
		case !complete && change.Value != nil:
			c.readRecord(change)
		case !complete:
			delete(c.have, change.Key)
		}
	})
	if !complete {
		return fmt.Errorf("read the records: %w", err)
	}
	return nil
}

// readRecord reads a record, in the format of version 0.1.0 or later.
func (c *storeCheck) readRecord(change records.Change) {
	kind, id, _ := strings.Cut(change.Key, ".")
	c.have[change.Key] = uint64(change.Revision)
	type content struct {
		Object string `json:"object"` // of a recording; its id where it is empty
		Result *struct {
			ValueID string `json:"value_id"`
		} `json:"result"`
	}
	var record struct {
		content
		Schema   int
		Kind, ID string
		Body     content
	}
	err := json.Unmarshal(change.Value, &record)
	switch {
	case err != nil:
		c.fault("record %s cannot be read: %v", change.Key, err)
		return
	case record.Schema > records.Schema:
		c.fault("record %s has the schema %d, and this program reads up to %d", change.Key, record.Schema, records.Schema)
	case record.Schema > 0 && (record.Kind != kind || record.ID != id):
		c.fault("record %s is that of %s.%s", change.Key, record.Kind, record.ID)
	}
	c.report.Records[kind]++
	if kind == "audio" {
		c.needs[cmp.Or(record.Body.Object, record.Object, "audio-"+id)] = change.Key
	}
	for _, one := range []content{record.content, record.Body} {
		if one.Result != nil && one.Result.ValueID != "" {
			c.needs[one.Result.ValueID] = change.Key
		}
	}
}

// compare compares the records with the ledger.
func (c *storeCheck) compare() {
	if c.noted == nil {
		return
	}
	c.report.Noted = c.noted.Len()
	found := c.noted.Compare(c.have)
	for _, e := range found.Missing {
		c.fault("record %s is missing", e.Key)
	}
	for _, e := range found.Reverted {
		c.fault("record %s is in an earlier state", e.Key)
	}
	for _, loss := range c.noted.Losses() {
		if loss.What == ledger.LostLines {
			c.fault("the ledger has damaged lines: %d", loss.Count)
			continue
		}
		c.fault("a loss was found on %s and is not acknowledged: %s, %s", loss.At.Format("2006-01-02"), loss.Key, loss.What)
	}
}

// readObjects reads every object to its end, where the digest is compared.
func (c *storeCheck) readObjects(ctx context.Context) error {
	names, err := c.store.Objects(ctx)
	if err != nil {
		return fmt.Errorf("list the objects: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		object, err := c.store.Object(ctx, name)
		if err == nil {
			var n int64
			n, err = io.Copy(io.Discard, object)
			c.report.Bytes += n
			err = errors.Join(err, object.Close())
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			c.fault("object %s cannot be read: %v", name, err)
		}
		c.report.Objects++
		delete(c.needs, name)
	}
	for name, key := range c.needs {
		c.fault("object %s of record %s is missing", name, key)
	}
	slices.Sort(c.report.Faults)
	return nil
}

var _ cli.StoreTools = storeTools{}
