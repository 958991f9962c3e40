package pipelines

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Statuses of steps.
const (
	StepWaiting   = "waiting"
	StepRunning   = "running"
	StepSucceeded = "succeeded"
	StepFailed    = "failed"
	StepSkipped   = "skipped"
)

// Outcome is the record of the end of a step, or of one item of a step with foreach. Once it
// is written, the step does not run again in this run.
type Outcome struct {
	Run  string `json:"run"`
	Step string `json:"step"`
	// Index of the item; nil for a step without foreach.
	Index    *int   `json:"index,omitempty"`
	Status   string `json:"status"`
	Attempts int    `json:"attempts"`
	// Started is when the last attempt began.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Model   string    `json:"model,omitempty"`
	// Result is the result of the task as JSON; of a large one, ResultID names the stored
	// object that holds it.
	Result      json.RawMessage `json:"result,omitempty"`
	ResultID    string          `json:"result_id,omitempty"`
	ResultBytes int64           `json:"result_bytes,omitempty"`
	// Sounds are the recordings that the task made, which are stored.
	Sounds   []string           `json:"sounds,omitempty"`
	Warnings []services.Warning `json:"warnings,omitempty"`
	Failure  *Failure           `json:"failure,omitempty"`

	Owner    string           `json:"-"`
	Revision records.Revision `json:"-"`
	Created  time.Time        `json:"-"`
}

// Failure is why a step failed.
type Failure struct {
	Kind    services.Kind `json:"kind"`
	Message string        `json:"message"`
}

// key identifies a step, or an item of it, in a run.
func (o Outcome) key() string { return outcomeKey(o.Run, o.Step, o.Index) }

func outcomeKey(run, step string, index *int) string {
	if index == nil {
		return run + "." + step
	}
	return run + "." + step + "." + strconv.Itoa(*index)
}

// inlineResult is the size of the largest result stored in the record.
const inlineResult = 32 << 10

// objectPrefix begins the names of the objects with results; the key follows.
const objectPrefix = "step-"

// stepKind describes the records of outcomes. Results are not held in memory.
var stepKind = records.Kind[Outcome]{
	Name: "step", Repeatable: true, // a step without a record runs again
	Meta: func(o Outcome) records.Meta {
		return records.Meta{ID: o.key(), Owner: o.Owner, Created: o.Created, Revision: o.Revision}
	},
	With: func(o Outcome, m records.Meta) Outcome {
		o.Owner, o.Created, o.Revision = m.Owner, m.Created, m.Revision
		return o
	},
	Slim: func(o Outcome) Outcome { o.Result = nil; return o },
	Objects: func(o Outcome) []string {
		if o.ResultID == "" {
			return nil
		}
		return []string{o.ResultID}
	},
}

// recorded returns the outcome of a step; found is false if it has not ended.
func (s *Service) recorded(ctx context.Context, run, step string, index *int) (o Outcome, found bool, err error) {
	key := outcomeKey(run, step, index)
	// In a store that only this process uses, the index has every record.
	if _, known := s.outcomes.Get(key); !known && s.Database.Store().Exclusive() && s.Database.Ready() {
		return o, false, nil
	}
	o, err = s.outcomes.Load(ctx, key)
	if errors.Is(err, records.ErrMissing) {
		return o, false, nil
	}
	return o, err == nil, err
}

// storeTimeout bounds a write of the record of a step.
const storeTimeout = 15 * time.Second

// record writes an outcome, and returns the one that is in the store: another process that
// ran the same step may have been first. It tries again while the store is unavailable,
// until ctx ends. What has ended is also written when ctx has ended meanwhile.
func (s *Service) record(ctx context.Context, o Outcome, result []byte) (Outcome, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		written, err := s.recordOnce(context.WithoutCancel(ctx), o, result)
		if services.KindOf(err) != services.KindUnavailable || ctx.Err() != nil {
			return written, err
		}
		s.Log.Error("the end of a step could not be written", "job", o.Run, "step", o.Step, "error", err)
		records.Pause(ctx, wait)
	}
}

func (s *Service) recordOnce(ctx context.Context, o Outcome, result []byte) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if len(result) <= inlineResult {
		o.Result = result
	} else {
		o.ResultID, o.ResultBytes = objectPrefix+o.key()+"-"+strings.ToLower(rand.Text()[:8]), int64(len(result))
		if err := s.Database.Store().Room(services.Bytes(len(result))); err != nil {
			return o, err
		}
		if err := records.PutObject(ctx, s.Database.Store(), o.ResultID, bytes.NewReader(result)); err != nil {
			return o, err
		}
	}
	o.Created = o.Ended
	written, err := s.outcomes.Create(ctx, o)
	if err == nil {
		return written, nil
	}
	if o.ResultID != "" {
		_ = s.Database.Store().DeleteObject(ctx, o.ResultID) // else a sweep does
	}
	if errors.Is(err, records.ErrExists) {
		return s.outcomes.Load(ctx, o.key())
	}
	return o, err
}

// ResultOf returns the result of an outcome as JSON, nil if it has none.
func (s *Service) ResultOf(ctx context.Context, o Outcome) (json.RawMessage, error) {
	if o.ResultID == "" {
		return o.Result, nil
	}
	object, err := s.Database.Store().Object(ctx, o.ResultID)
	if err != nil {
		return nil, o.unreadable(err)
	}
	defer object.Close()
	raw, err := io.ReadAll(object)
	if err != nil {
		return nil, o.unreadable(err)
	}
	return raw, nil
}

// unreadable returns the fault for a result that cannot be read. While the store is
// unavailable it stays the store's, so that the run is tried again.
func (o Outcome) unreadable(err error) error {
	if services.KindOf(err) == services.KindUnavailable {
		return fmt.Errorf("read the result of step %s: %w", o.Step, err)
	}
	return services.Internal(err, "the result of step %s cannot be read", o.Step)
}

// Outcomes returns the outcomes of a run with their results, in the order of their ends.
func (s *Service) Outcomes(ctx context.Context, run string) ([]Outcome, error) {
	if err := s.Database.NotReady("steps"); err != nil {
		return nil, err
	}
	list := []Outcome{}
	for _, known := range s.of(run) {
		whole, err := s.outcomes.Load(ctx, known.key())
		if errors.Is(err, records.ErrMissing) {
			continue
		}
		if err == nil {
			whole.Result, err = s.ResultOf(ctx, whole)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, whole)
	}
	return list, nil
}

// of returns the outcomes of a run from the index.
func (s *Service) of(run string) (list []Outcome) {
	s.mu.Lock()
	keys := s.byRun[run]
	ids := make([]string, 0, len(keys))
	for key := range keys {
		ids = append(ids, key)
	}
	s.mu.Unlock()
	for _, id := range ids {
		if o, ok := s.outcomes.Get(id); ok {
			list = append(list, o)
		}
	}
	sortOutcomes(list)
	return list
}

// observe keeps the keys of each run. It is called with the collection's lock held.
func (s *Service) observe(e records.Event[Outcome]) {
	run, _, _ := strings.Cut(e.ID, ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Now == nil {
		delete(s.byRun[run], e.ID)
		if len(s.byRun[run]) == 0 {
			delete(s.byRun, run)
		}
		return
	}
	if s.byRun[run] == nil {
		s.byRun[run] = make(map[string]struct{})
	}
	s.byRun[run][e.ID] = struct{}{}
}

// forget deletes the outcomes of a run that match.
func (s *Service) forget(ctx context.Context, run string, matches func(Outcome) bool) error {
	for _, known := range s.of(run) {
		if !matches(known) {
			continue
		}
		for {
			o, err := s.outcomes.Load(ctx, known.key())
			if errors.Is(err, records.ErrMissing) {
				break
			}
			if err == nil {
				err = s.outcomes.Delete(ctx, o)
			}
			if errors.Is(err, records.ErrConflict) {
				continue
			}
			if err != nil {
				return fmt.Errorf("delete the record of step %s: %w", known.Step, err)
			}
			if o.ResultID != "" {
				_ = s.Database.Store().DeleteObject(ctx, o.ResultID) // else a sweep does
			}
			break
		}
	}
	return nil
}
