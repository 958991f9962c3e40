package patterns

import (
	"context"
	"errors"
	"fmt"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// prepareReembed validates a tasks.Reembed.
func (s *Service) prepareReembed(ctx context.Context, task services.Task) (*work, error) {
	var params tasks.ReembedParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	if err := errors.Join(s.stored(), withoutAudio(task), s.checkModel(task)); err != nil {
		return nil, err
	}
	if _, err := s.chosen(ctx, task.Caller, params.Patterns); err != nil {
		return nil, err
	}
	return &work{do: func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		result, err := s.reembed(ctx, task, params, sink)
		return result, nil, err
	}}, nil
}

// reembed computes the vectors of patterns, and those of their owner's indexed recordings,
// anew. Each pattern is replaced when it is whole.
func (s *Service) reembed(ctx context.Context, task services.Task, params tasks.ReembedParams, sink services.Sink,
) (*tasks.Reembedded, error) {
	list, err := s.chosen(ctx, task.Caller, params.Patterns)
	if err != nil {
		return nil, err
	}
	result := &tasks.Reembedded{Patterns: []tasks.Pattern{}}
	sink.Progress(0, "background")
	for i, p := range list {
		e := s.embedderOf(task, task.Model)
		if e.model == "" {
			e.model = p.Model
		}
		renewed, err := s.renew(ctx, task, e, p)
		if err != nil {
			return nil, fieldFault(err, fmt.Sprintf("patterns[%d]", i))
		}
		result.Model, result.ModelHash = renewed.Model, renewed.Hash
		result.Patterns = append(result.Patterns, s.view(renewed))
		sink.Progress(0.99*float64(i+1)/float64(len(list)), "patterns")
	}
	result.Recordings, err = s.renewIndexes(ctx, task)
	return result, err
}

// renew computes one pattern anew.
func (s *Service) renew(ctx context.Context, task services.Task, e *embedder, p pattern) (pattern, error) {
	params := tasks.TeachParams{}
	for _, one := range p.Examples {
		params.Examples = append(params.Examples, one.StoredSpan)
	}
	for _, one := range p.Counters {
		params.CounterExamples = append(params.CounterExamples, one.StoredSpan)
	}
	caller := services.Caller{Key: p.Owner, All: task.Caller.All}
	held, err := s.holdSpans(ctx, caller, params)
	if err != nil {
		return p, err
	}
	defer releaseAll(held)
	fresh := p
	vectors, err := s.study(ctx, e, &fresh, held, services.DiscardSink{})
	if err != nil {
		return p, err
	}
	sp, err := s.spaceOf(ctx, e)
	if err != nil {
		return p, err
	}
	corrections, err := s.renewFeedback(ctx, caller, e, sp, fresh)
	if err != nil {
		return p, err
	}
	if err := s.writeVectors(ctx, &fresh, vectors); err != nil {
		return p, err
	}
	if fresh, err = s.relearn(ctx, e, sp, fresh, corrections); err != nil {
		s.dropObject(ctx, fresh.Vectors)
		return p, err
	}
	return s.exchange(ctx, p, fresh)
}

// exchange replaces what was learnt of a pattern.
func (s *Service) exchange(ctx context.Context, old, fresh pattern) (pattern, error) {
	edited, err := s.patterns.Edit(ctx, old.ID, func(p *pattern) (bool, error) {
		if p.Vectors != old.Vectors {
			return false, &services.Fault{Kind: services.KindBusy, Message: "the pattern was computed anew meanwhile; try again"}
		}
		p.Model, p.Hash, p.Dimensions, p.Vectors = fresh.Model, fresh.Hash, fresh.Dimensions, fresh.Vectors
		p.Length, p.Derived, p.SelfTest, p.Head, p.Corrected = fresh.Length, fresh.Derived, fresh.SelfTest, fresh.Head, fresh.Corrected
		return true, nil
	})
	if err != nil {
		s.dropObject(ctx, fresh.Vectors)
		if errors.Is(err, records.ErrMissing) {
			err = missing("patterns", old.ID)
		}
		return old, err
	}
	s.landed(fresh.Vectors)
	s.dropObject(ctx, old.Vectors)
	return edited, nil
}

// renewFeedback computes the corrections of a pattern anew and stores them.
func (s *Service) renewFeedback(ctx context.Context, caller services.Caller, e *embedder, sp *space, p pattern) ([]feedback, error) {
	var all []feedback
	for _, slim := range s.feedback.Select(mostFeedback, func(f feedback) bool { return f.Pattern == p.ID }) {
		f, err := s.feedback.Load(ctx, slim.ID)
		if errors.Is(err, records.ErrMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f.Space != sp.key() {
			held, err := s.hold(ctx, caller, []string{f.AudioID}, numbered("feedback", "audio_id"))
			if err != nil {
				return nil, err
			}
			f.About, f.Weak, f.Space = nil, nil, sp.key()
			err = s.surround(ctx, e, sp, p, held[0], &f)
			releaseAll(held)
			if err != nil {
				return nil, err
			}
			if f, err = s.feedback.Replace(ctx, f); err != nil && !errors.Is(err, records.ErrConflict) {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// renewIndexes drops the indexes of states of models that no pattern of the caller uses any
// more. Their recordings are indexed again, with the present files of the models, and it
// returns how many.
func (s *Service) renewIndexes(ctx context.Context, task services.Task) (recordings int, err error) {
	owner := task.Caller.Key
	for _, m := range s.manifests.Select(mostPatterns, func(m manifest) bool { return m.Owner == owner }) {
		hash, err := s.digest(m.Model)
		if err == nil && hash == m.Hash {
			continue
		}
		ids := make(map[string]bool)
		for _, one := range m.Segments {
			if one.Removed != "" {
				delete(ids, one.Removed)
				continue
			}
			read, err := s.readSegment(ctx, one.Object)
			if err != nil {
				return recordings, services.Internal(err, "an index could not be read")
			}
			for _, l := range read.Labels {
				ids[l.Source] = true
			}
		}
		n, err := s.reindex(ctx, task, m, ids)
		if err != nil {
			return recordings, err
		}
		recordings += n
	}
	return recordings, nil
}

// reindex indexes recordings with the model that has replaced one, and deletes the index of
// the old one.
func (s *Service) reindex(ctx context.Context, task services.Task, m manifest, ids map[string]bool) (n int, err error) {
	e := s.embedderOf(task, task.Model)
	e.captions = m.Captions
	if e.model == "" {
		e.model = m.Model
	}
	sp, err := s.spaceOf(ctx, e)
	if err != nil {
		return 0, err
	}
	for id := range ids {
		held, err := s.hold(ctx, services.Caller{Key: m.Owner}, []string{id}, numbered("recordings", ""))
		if services.KindOf(err) == services.KindNotFound {
			continue // it was deleted
		}
		if err != nil {
			return n, err
		}
		err = s.indexAll(ctx, query{embedder: e, space: sp}, m.Owner, held, services.DiscardSink{})
		releaseAll(held)
		if err != nil {
			return n, err
		}
		n++
	}
	if err := s.manifests.Delete(ctx, m); err != nil {
		if errors.Is(err, records.ErrConflict) || errors.Is(err, records.ErrMissing) {
			return n, nil // another task changes it
		}
		return n, err
	}
	for _, one := range m.Segments {
		if one.Object != "" {
			s.dropObject(ctx, one.Object)
		}
	}
	return n, nil
}
