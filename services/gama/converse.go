package gama

import (
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// enter gives the conversation that a task belongs to, nil for none, and keeps other
// questions out of it until release is called.
func (c *contexts) enter(_ context.Context, task services.Task, p services.AskParams) (one *conversation, release func(), err error) {
	switch p.ContextID {
	case "":
		return nil, func() {}, nil
	case newContext:
		one, err = c.create(task.Caller, c.service.modelName(task), task.Audio)
	default:
		one, err = c.find(task.Caller, p.ContextID)
	}
	if err != nil {
		return nil, nil, err
	}
	if !one.busy.TryLock() {
		return nil, nil, &services.Fault{
			Kind: services.KindBusy, RetryAfter: time.Second,
			Fields: []services.FieldError{{Field: "context_id", Problem: fmt.Sprintf("%q is answering another question; ask one at a time", one.ID)}},
		}
	}
	return one, one.busy.Unlock, nil
}

// converse answers the next question of a conversation, with what is kept of it, and
// keeps what the one after it can use.
func (a *asking) converse(ctx context.Context, one *conversation) error {
	c := a.service.contexts
	c.mu.Lock()
	sound, kept, turns := one.sound, one.kept.retain(), append([]turn(nil), one.Turns...)
	c.mu.Unlock()
	defer kept.release()
	if sound == nil {
		var err error
		if sound, err = a.hear(ctx, one.audio()); err != nil {
			return err
		}
	}
	a.span = 1
	r, err := a.respond(ctx, sound, kept, turns, true)
	if err != nil {
		return err
	}
	a.answer.Text, a.answer.FinishReason, a.answer.ContextID, a.answer.DurationSeconds = r.text, r.finish, one.ID, one.DurationSeconds
	return c.store(ctx, one, sound, r, a.params.Question)
}

// hear encodes the whole of a recording, which is at most one window.
func (a *asking) hear(ctx context.Context, source services.AudioSource) (*heard, error) {
	sound, err := a.service.openAudio(source, a.model.folder.Preprocessor.SamplingRate)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	samples, last, err := sound.next(ctx, a.model.extractor.longest)
	a.book(services.StageInput)
	if err != nil {
		return nil, fmt.Errorf("read audio: %w", err)
	}
	if !last {
		return nil, services.Invalidf("file", "lasts longer than the %.2f s that a conversation is about", float64(a.model.extractor.longest)/float64(a.model.folder.Preprocessor.SamplingRate))
	}
	rows, err := a.model.encode(ctx, samples)
	a.book(services.StageInfer)
	return rows, err
}

// store adds the turn and keeps what is in memory, booked with the budget.
func (c *contexts) store(ctx context.Context, one *conversation, sound *heard, r response, question string) error {
	t := turn{Exchange: services.Exchange{Question: question, Answer: r.text}, Tokens: r.tokens}
	c.mu.Lock()
	one.Turns = append(one.Turns, t)
	one.Used = c.now().UTC()
	_, there := c.all[one.ID]
	if one.resident != nil {
		one.resident.Release()
		one.resident = nil
	}
	if there {
		one.kept.release()
		one.sound, one.kept = sound, r.kept
	} else {
		r.kept.release()
	}
	size := one.size()
	c.mu.Unlock()
	if !there {
		return nil // deleted meanwhile
	}
	if err := one.save(); err != nil {
		return storeFault(err)
	}
	c.mu.Lock()
	_, there = c.all[one.ID]
	c.mu.Unlock()
	if !there {
		return c.remove(one) // deleted while it was written
	}
	resident := c.residency.Hold(ctx, Name, "conversation/"+one.ID, size, func(context.Context) error {
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
	one.resident = resident
	c.mu.Unlock()
	c.purge()
	return nil
}
