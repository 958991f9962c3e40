package gama

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
)

// enter returns the conversation of a task, nil if it has none, and excludes other
// questions until release is called.
func (c *contexts) enter(ctx context.Context, w *work) (one *conversation, release func(), err error) {
	switch w.params.ContextID {
	case "":
		return nil, func() {}, nil
	case newContext:
		one, err = c.create(ctx, w.caller, services.NewContext{Model: w.model, Audio: w.audio, Reading: w.params.Reading})
	default:
		if w.params.Start != 0 || w.params.End != 0 {
			return nil, nil, services.Invalidf("start", "and end are chosen where a conversation begins; leave them out of its questions")
		}
		one, err = c.find(ctx, w.caller, w.params.ContextID)
	}
	if err != nil {
		return nil, nil, err
	}
	if !one.busy.TryLock() {
		return nil, nil, &services.Fault{
			Kind: services.KindBusy, RetryAfter: time.Second,
			Fields: []services.FieldError{{
				Field:   "context_id",
				Problem: fmt.Sprintf("%q is answering another question; ask one at a time", one.id),
			}},
		}
	}
	return one, one.busy.Unlock, nil
}

// converse answers the next question of a conversation using its state in memory, and
// keeps the state for the following one. The recording of a new conversation comes with
// the question.
func (a *asking) converse(ctx context.Context, one *conversation, recording services.AudioSource) error {
	c := a.service.contexts
	a.context = one.id
	c.mu.Lock()
	if one.version != a.model.version {
		c.drop(one) // another version of the model has another state
	}
	sound, saved, record, stored := one.sound, one.saved.Retain(), one.record, one.stored
	c.mu.Unlock()
	defer saved.Release()
	if len(stored.Record) > maxRecord {
		if a.params.Truncation == truncateOff {
			return services.Invalidf("context_id",
				"has come to %d bytes of questions and answers, of the %d that a conversation takes; begin a new one, or leave truncation out, "+
					"so that the oldest questions are dropped", len(stored.Record), maxRecord)
		}
		left := latest(record.Turns, maxRecord/2)
		a.skipped = len(record.Turns) - len(left)
		record.Turns = left
	}
	a.params.Start, a.params.End = record.Start, record.End
	if sound == nil {
		var err error
		if sound, err = a.recall(ctx, stored, recording); err != nil {
			return err
		}
	}
	a.span = 1
	r, err := a.respond(ctx, sound, saved, record.Turns, true)
	if err != nil {
		return err
	}
	a.answer.Text, a.answer.FinishReason, a.answer.ContextID, a.answer.DurationSeconds = r.text, r.finish, one.id, record.DurationSeconds
	record.Turns = append(slices.Clip(record.Turns),
		turn{Exchange: services.Exchange{Question: a.params.Question, Answer: r.text}, Tokens: r.tokens})
	record.Used = c.now().UTC()
	if _, err := c.write(ctx, stored, record); err != nil {
		r.saved.Release()
		if services.KindOf(err) == services.KindNotFound {
			c.lose(one.id)
			return nil // deleted in the meantime
		}
		return err
	}
	c.keep(ctx, one, sound, r.saved, a.model.version)
	return nil
}

// latest returns the latest turns whose records have at most the given number of bytes.
func latest(turns []turn, limit int) []turn {
	for i, size := len(turns), 0; i > 0; i-- {
		raw, err := json.Marshal(turns[i-1])
		if size += len(raw) + 1; err != nil || size > limit {
			return turns[i:]
		}
	}
	return turns
}

// recall encodes the recording of a conversation, which is in the store unless it comes
// with the question.
func (a *asking) recall(ctx context.Context, of services.StoredContext, recording services.AudioSource) (*encoded, error) {
	if recording == nil {
		owner := services.Caller{Key: of.Owner, All: true}
		stored, release, err := a.service.contexts.store.StoredAudio(ctx, owner, of.AudioID)
		if err != nil {
			return nil, services.Internal(err, "the recording of the conversation cannot be read")
		}
		defer release()
		recording = stored
	}
	return a.encodeWhole(ctx, recording)
}

// encodeWhole encodes a whole recording, which must fit in one window.
func (a *asking) encodeWhole(ctx context.Context, source services.AudioSource) (*encoded, error) {
	sound, err := a.service.openAudio(source, a.model.folder.Preprocessor.SamplingRate, a.params.Reading)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	defer func() { a.warn(sound.reader.Warnings()...) }()
	samples, last, err := sound.next(ctx, a.model.extractor.longest)
	a.clock.Book(services.StageInput)
	if err != nil {
		return nil, fmt.Errorf("read audio: %w", err)
	}
	if !last {
		return nil, services.Invalidf("file", "lasts longer than the %.2f s that a conversation is about",
			float64(a.model.extractor.longest)/float64(a.model.folder.Preprocessor.SamplingRate))
	}
	rows, err := a.model.encode(ctx, samples)
	a.clock.Book(services.StageInfer)
	return rows, err
}

// keep holds the state of a version of the model for the next question in memory and reserves
// it with the budget. The caller holds busy.
func (c *contexts) keep(ctx context.Context, one *conversation, sound *encoded, saved *decoding.Snapshot, version string) {
	c.mu.Lock()
	c.drop(one)
	if c.all[one.id] != one {
		c.mu.Unlock()
		saved.Release() // deleted in the meantime
		return
	}
	one.sound, one.saved, one.version = sound, saved, version
	size := one.size()
	c.mu.Unlock()
	resident := c.residency.Hold(ctx, Name, "conversation/"+one.id, size, func(context.Context) error {
		if !one.busy.TryLock() {
			return services.ErrInUse
		}
		defer one.busy.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(one)
		return nil
	})
	c.mu.Lock()
	if c.all[one.id] == one {
		one.resident, resident = resident, nil
	}
	c.mu.Unlock()
	if resident != nil {
		resident.Release() // deleted during the reservation
	}
	c.purge(ctx)
}
