package patterns

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// prepareImport validates a tasks.ImportPatterns. Only the first line is read.
func (s *Service) prepareImport(_ context.Context, task services.Task) (*work, error) {
	var params tasks.ImportParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	if task.Audio == nil {
		return nil, services.Invalidf("file", "is missing; send the lines of an export as form field file")
	}
	if err := errors.Join(s.stored(), s.checkModel(task)); err != nil {
		return nil, err
	}
	file, err := task.Audio.Open()
	if err != nil {
		return nil, services.Unreadable(err)
	}
	defer file.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(file, first); err != nil {
		return nil, services.Invalidf("file", "is empty")
	}
	if first[0] != '{' {
		return nil, &services.Fault{Kind: services.KindUnsupported, Fields: []services.FieldError{{
			Field: "file", Problem: "must be an export of patterns: a JSON object on each line",
		}}}
	}
	return &work{do: func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		result, err := s.importAll(ctx, task, params, sink)
		return result, nil, err
	}}, nil
}

// group is a pattern of an export with its lines.
type group struct {
	number             int
	pattern            line
	examples, feedback []line
}

// eachGroup calls do for each pattern of an export.
func eachGroup(ctx context.Context, task services.Task, do func(g group) error) error {
	file, err := task.Audio.Open()
	if err != nil {
		return services.Unreadable(err)
	}
	defer file.Close()
	in := newLines(file)
	var g group
	flush := func() error {
		if g.number == 0 {
			return nil
		}
		return do(g)
	}
	for {
		one, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return flush()
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		switch one.Type {
		case linePattern:
			if err := flush(); err != nil {
				return err
			}
			g = group{number: in.number, pattern: one}
		case lineExample:
			g.examples = append(g.examples, one)
		default:
			g.feedback = append(g.feedback, one)
		}
	}
}

// importAll checks every line of an export, and then adds its patterns one by one.
func (s *Service) importAll(ctx context.Context, task services.Task, params tasks.ImportParams, sink services.Sink,
) (*tasks.Imported, error) {
	sink.Progress(0, "check")
	result := &tasks.Imported{DryRun: params.DryRun, Patterns: []tasks.Pattern{}}
	names := make(map[string]bool)
	err := eachGroup(ctx, task, func(g group) error {
		if names[g.pattern.Name] {
			return lineFault(g.number, "the name %q is given twice", g.pattern.Name)
		}
		names[g.pattern.Name] = true
		result.Recordings += len(g.examples) + len(g.feedback)
		return s.checkGroup(task.Caller.Key, g)
	})
	if err != nil || params.DryRun {
		return result, err
	}
	err = eachGroup(ctx, task, func(g group) error {
		p, err := s.importGroup(ctx, task, g)
		if err != nil {
			return fmt.Errorf("pattern %q of line %d: %w", g.pattern.Name, g.number, err)
		}
		result.Patterns = append(result.Patterns, s.view(p))
		sink.Progress(0.99*float64(len(result.Patterns))/float64(len(names)), "patterns")
		return nil
	})
	return result, err
}

// checkGroup returns a fault for a pattern of an export that cannot be added.
func (s *Service) checkGroup(owner string, g group) error {
	var fault *services.Fault
	if err := s.checkName(owner, g.pattern.Name, ""); errors.As(err, &fault) {
		return lineFault(g.number, "name %s", fault.Fields[0].Problem)
	}
	if n := len(g.feedback); n > mostFeedback {
		return lineFault(g.number, "the pattern has %d corrections, at most %d are stored", n, mostFeedback)
	}
	if n := len(g.examples); n > 2*mostExamples {
		return lineFault(g.number, "the pattern has %d examples and counter-examples, at most %d of each are stored", n, mostExamples)
	}
	for _, one := range append(append([]line(nil), g.examples...), g.feedback...) {
		d, err := decode(fileOf(one.Audio), s.deps.Audio)
		if err != nil {
			return fmt.Errorf("pattern %q of line %d: %w", g.pattern.Name, g.number, err)
		}
		d.close()
	}
	return nil
}

// importGroup stores the sounds of a pattern of an export, and learns it.
func (s *Service) importGroup(ctx context.Context, task services.Task, g group) (pattern, error) {
	params := tasks.TeachParams{Name: g.pattern.Name, Metadata: g.pattern.Metadata}
	for i, one := range g.examples {
		id, err := s.deps.Recordings.StoreAudio(ctx, task.Caller.Key, fmt.Sprintf("%s %d.flac", g.pattern.Name, i+1), fileOf(one.Audio))
		if err != nil {
			return pattern{}, err
		}
		span := tasks.StoredSpan{AudioID: id, Start: one.Start, End: one.End}
		if one.Counter {
			params.CounterExamples = append(params.CounterExamples, span)
		} else {
			params.Examples = append(params.Examples, span)
		}
	}
	if task.Model == "" {
		if _, err := s.digest(g.pattern.Model); err == nil {
			task.Model = g.pattern.Model
		}
	}
	p, err := s.teach(ctx, task, params, services.DiscardSink{})
	if err != nil || len(g.feedback) == 0 {
		return p, err
	}
	correct := tasks.CorrectParams{PatternID: p.ID}
	for i, one := range g.feedback {
		name := fmt.Sprintf("%s correction %d.flac", g.pattern.Name, i+1)
		id, err := s.deps.Recordings.StoreAudio(ctx, task.Caller.Key, name, fileOf(one.Audio))
		if err != nil {
			return p, err
		}
		correct.Feedback = append(correct.Feedback, one.feedback(id))
	}
	if _, err := s.correct(ctx, task, correct, services.DiscardSink{}); err != nil {
		return p, err
	}
	return s.find(ctx, task.Caller, "pattern_id", p.ID)
}
