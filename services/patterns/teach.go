package patterns

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// shortestExample and longestExample bound an example in seconds.
	shortestExample, longestExample = 0.05, 10
	// mostExamples bounds the examples of a pattern, and its counter-examples.
	mostExamples = 64
	// silent is the effective value below which an example is silence.
	silent = 1e-4
)

// prepareTeach validates a tasks.Teach.
func (s *Service) prepareTeach(ctx context.Context, task services.Task) (*work, error) {
	var params tasks.TeachParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	err := errors.Join(s.stored(), withoutAudio(task), s.checkModel(task))
	if err != nil {
		return nil, err
	}
	p, repeated, err := s.earlier(ctx, task, params)
	if repeated {
		return &work{repeated: true, do: func(context.Context, services.Sink) (any, []services.Warning, error) {
			return s.made(p), nil, nil
		}}, nil
	}
	if err == nil {
		err = s.checkName(task.Caller.Key, params.Name, "")
	}
	if err == nil {
		err = checkSpans(params)
	}
	if err != nil {
		return nil, err
	}
	held, err := s.holdSpans(ctx, task.Caller, params)
	releaseAll(held)
	if err != nil {
		return nil, err
	}
	w := new(work)
	w.do = func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		p, err := s.teach(ctx, task, params, sink)
		if errors.Is(err, records.ErrExists) { // a task with the same key was faster
			p, w.repeated, err = s.earlier(ctx, task, params)
		}
		if err != nil {
			return nil, nil, err
		}
		return s.made(p), nil, nil
	}
	return w, nil
}

// made returns the result of a task that made a pattern.
func (s *Service) made(p pattern) *tasks.Pattern {
	view := s.view(p)
	return &view
}

// checkSpans returns a fault for spans that no recording can have.
func checkSpans(params tasks.TeachParams) error {
	var bad services.Complaints
	for _, list := range []struct {
		name  string
		spans []tasks.StoredSpan
	}{{"examples", params.Examples}, {"counter_examples", params.CounterExamples}} {
		for i, span := range list.spans {
			field := fmt.Sprintf("%s[%d]", list.name, i)
			length := span.End - span.Start
			switch {
			case !(span.Start >= 0) || math.IsInf(span.Start, 0):
				bad.Complain(field+".start", "must be 0 or more, got %v", span.Start)
			case span.End != 0 && !(length >= shortestExample && length <= longestExample):
				bad.Complain(field, "must be %v to %d s long, got %.3f s", shortestExample, longestExample, length)
			}
		}
	}
	return bad.Err()
}

// holdSpans returns the recordings of all spans, in their order.
func (s *Service) holdSpans(ctx context.Context, caller services.Caller, params tasks.TeachParams) ([]recording, error) {
	var ids []string
	for _, span := range slices.Concat(params.Examples, params.CounterExamples) {
		ids = append(ids, span.AudioID)
	}
	return s.hold(ctx, caller, ids, func(i int) string {
		if i < len(params.Examples) {
			return fmt.Sprintf("examples[%d].audio_id", i)
		}
		return fmt.Sprintf("counter_examples[%d].audio_id", i-len(params.Examples))
	})
}

// teach makes a pattern and stores it.
func (s *Service) teach(ctx context.Context, task services.Task, params tasks.TeachParams, sink services.Sink) (pattern, error) {
	owner := task.Caller.Key
	if n := len(s.patterns.Select(s.cfg.MaxPatterns, func(p pattern) bool { return p.Owner == owner })); n >= s.cfg.MaxPatterns {
		return pattern{}, services.Faultf(services.KindFull, "there are %d patterns, the limit of services.patterns.maxPatterns; delete some", n)
	}
	held, err := s.holdSpans(ctx, task.Caller, params)
	if err != nil {
		return pattern{}, err
	}
	defer releaseAll(held)
	p := pattern{Name: params.Name, Metadata: params.Metadata}
	p.ID, p.Owner, p.Created = newID(idPrefix), owner, now()
	if task.Key != "" {
		p.ID = keyedID(task)
		if p.Request, err = fingerprintOf(task, params); err != nil {
			return p, err
		}
	}
	for i, span := range params.Examples {
		p.Examples = append(p.Examples, tasks.PatternExample{ID: fmt.Sprintf("ex_%d", i+1), StoredSpan: span})
	}
	for i, span := range params.CounterExamples {
		p.Counters = append(p.Counters, tasks.PatternExample{ID: fmt.Sprintf("co_%d", i+1), StoredSpan: span})
	}
	e, err := s.study(ctx, s.embedderOf(task, task.Model), &p, held, sink)
	if err != nil {
		return p, err
	}
	return s.create(ctx, p, e)
}

// create stores a new pattern with its vectors. It returns records.ErrExists if there is one
// of its id.
func (s *Service) create(ctx context.Context, p pattern, e examples) (pattern, error) {
	if err := s.writeVectors(ctx, &p, e); err != nil {
		return p, err
	}
	err := s.checkName(p.Owner, p.Name, p.ID) // another request may have been faster
	if err == nil {
		err = s.claimName(ctx, p.Owner, p.Name, p.ID)
	}
	if err != nil {
		s.dropObject(ctx, p.Vectors)
		return p, err
	}
	created, err := s.patterns.Create(ctx, p)
	if err != nil {
		s.dropObject(ctx, p.Vectors)
		if !errors.Is(err, records.ErrExists) { // else the name is that of the existing one
			s.releaseName(ctx, p.Owner, p.Name, p.ID)
		}
		return p, err
	}
	s.landed(p.Vectors)
	return created, nil
}

// study embeds the examples of a pattern and derives what follows from them. The
// recordings are those of the examples and then of the counter-examples.
func (s *Service) study(ctx context.Context, e *embedder, p *pattern, held []recording, sink services.Sink) (examples, error) {
	sink.Progress(0, "background")
	sp, err := s.spaceOf(ctx, e)
	if err != nil {
		return examples{}, fieldOfModel(err)
	}
	var got examples
	var lengths []float64
	progress := &steps{sink: sink, all: len(held)}
	for i, one := range held {
		list, span, field := p.Examples, &tasks.StoredSpan{}, ""
		if i < len(p.Examples) {
			span, field = &p.Examples[i].StoredSpan, fmt.Sprintf("examples[%d]", i)
		} else {
			i -= len(list)
			span, field = &p.Counters[i].StoredSpan, fmt.Sprintf("counter_examples[%d]", i)
		}
		clip, err := s.read(ctx, one, *span)
		if err != nil {
			return got, fieldFault(err, field)
		}
		span.End = round(span.Start + clip.seconds())
		if field[0] == 'c' {
			v, err := e.clip(ctx, clip)
			if err != nil {
				return got, err
			}
			got.counters = append(got.counters, sp.place(v))
		} else {
			lengths = append(lengths, clip.seconds())
			shot, err := embedShot(ctx, e, sp, clip)
			if err != nil {
				return got, err
			}
			got.shots = append(got.shots, shot)
		}
		progress.next("examples")
	}
	p.Model, p.Hash, p.Dimensions, p.Length = sp.model, sp.hash, sp.dims, round(quantile(lengths, 0.5))
	return got, s.derive(ctx, e, sp, p, got)
}

// derive sets threshold, self-test and head of a pattern from its examples.
func (s *Service) derive(ctx context.Context, e *embedder, sp *space, p *pattern, got examples) error {
	background, err := s.backgroundOf(ctx, e, sp, windowsFor(p.Length))
	if err != nil {
		return err
	}
	l := lesson{shots: got.shots, counters: got.counters, background: background}
	p.Derived, p.SelfTest = l.threshold(), l.selfTest()
	p.Head = byPrototype(l, p.Derived)
	return nil
}

// embedShot returns the vectors of an example and of its degraded copies.
func embedShot(ctx context.Context, e *embedder, sp *space, clip sound) (shot []vector, err error) {
	for _, one := range append([]sound{clip}, degraded(clip)...) {
		v, err := e.clip(ctx, one)
		if err != nil {
			return nil, err
		}
		shot = append(shot, sp.place(v))
	}
	return shot, nil
}

// read returns the sound of a span of a recording.
func (s *Service) read(ctx context.Context, r recording, span tasks.StoredSpan) (sound, error) {
	d, err := decode(r.source, s.deps.Audio)
	if err != nil {
		return sound{}, err
	}
	defer d.close()
	clip, err := readSpan(ctx, d, span.Start, span.End, longestExample)
	switch {
	case err != nil:
		return clip, err
	case span.End > 0 && clip.seconds() < span.End-span.Start-0.05:
		return clip, services.Invalidf("", "ends at %.3f s, but the recording has %.3f s", span.End, float64(d.at)/float64(d.rate))
	case clip.seconds() < shortestExample:
		return clip, services.Invalidf("", "must be at least %v s long, got %.3f s", shortestExample, clip.seconds())
	case rootMeanSquare(clip.samples) < silent:
		return clip, services.Invalidf("", "is silent")
	}
	return clip, nil
}

// fieldOfModel returns the fault of a model that cannot embed under the name of its field.
func fieldOfModel(err error) error {
	var fault *services.Fault
	if errors.As(err, &fault) && len(fault.Fields) > 0 && fault.Fields[0].Field == "task" {
		return fieldFault(err, "model")
	}
	return err
}
