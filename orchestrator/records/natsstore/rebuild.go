package natsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// Rebuild implements records.Rebuilder for the store in this process. The server
// accepts no reliable writes of records that lie in a damaged file, as long as its index
// names them, and without its index it gives up the rest of a damaged file. So every
// record is read before the index is removed, and those that the server then lacks are
// written again.
func (s *Store) Rebuild(ctx context.Context, keys []string) error {
	if !s.Exclusive() {
		return nil
	}
	saved, err := s.salvage(ctx, keys)
	if err != nil {
		return err
	}
	defer saved.close()
	l, err := s.current()
	if err != nil {
		return err
	}
	s.rebuild.Store(true)
	s.reopen(l)
	for _, key := range saved.keys {
		if err := s.replantUntil(ctx, saved, key); err != nil {
			return err
		}
	}
	return nil
}

// replantUntil repeats replant until it succeeds or ctx ends: a value that is not written
// again would be lost.
func (s *Store) replantUntil(ctx context.Context, saved *salvaged, key string) error {
	for {
		err := s.replant(ctx, saved, key)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Error("a saved record could not be written again; trying again", "key", key, "error", err)
		records.Pause(ctx, time.Second)
	}
}

// replant writes a saved record again if the store has it not or in another state.
func (s *Store) replant(ctx context.Context, saved *salvaged, key string) error {
	value, err := saved.value(key)
	if err != nil {
		return err
	}
	present, at, err := s.Read(ctx, key)
	switch {
	case errors.Is(err, records.ErrMissing):
		_, err = s.Create(ctx, key, value)
	case err == nil && !bytes.Equal(present, value):
		_, err = s.Replace(ctx, key, value, at)
	}
	return err
}

// salvaged holds the values of records in a temporary file.
type salvaged struct {
	file *os.File
	keys []string
	// places are the offsets and lengths of the values.
	places map[string][2]int64
}

// salvage reads every record that can be read.
func (s *Store) salvage(ctx context.Context, keys []string) (_ *salvaged, err error) {
	file, err := os.CreateTemp(s.cfg.Dir, "salvage-*")
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	saved := &salvaged{file: file, places: make(map[string][2]int64)}
	defer func() {
		if err != nil {
			saved.close()
		}
	}()
	var end int64
	for _, key := range keys {
		value, _, err := s.Read(ctx, key)
		if errors.Is(err, records.ErrMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if _, err := file.Write(value); err != nil {
			return nil, fmt.Errorf("jobs: %w", err)
		}
		saved.keys = append(saved.keys, key)
		saved.places[key] = [2]int64{end, int64(len(value))}
		end += int64(len(value))
	}
	return saved, nil
}

func (v *salvaged) value(key string) ([]byte, error) {
	place := v.places[key]
	value := make([]byte, place[1])
	if _, err := v.file.ReadAt(value, place[0]); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return value, nil
}

func (v *salvaged) close() {
	_ = v.file.Close() // it is removed
	_ = os.Remove(v.file.Name())
}

// dropRecordIndex removes the index of the records' stream.
func (s *Store) dropRecordIndex() error {
	folders, err := filepath.Glob(filepath.Join(s.cfg.Dir, "jetstream", "*", "streams", "KV_"+s.cfg.Bucket+"-jobs", "msgs"))
	if err != nil {
		return err
	}
	for _, dir := range folders {
		if err := removeIndex(dir); err != nil {
			return err
		}
	}
	return nil
}

var _ records.Rebuilder = (*Store)(nil)
