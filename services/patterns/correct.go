package patterns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// mostFeedback bounds the corrections of a pattern.
	mostFeedback = 500
	// nearby is the least overlap, as intersection over union, of a window that stands for a
	// corrected span, and mostNearby the number of such windows.
	nearby, mostNearby = 0.65, 7
	// margin is the sound on both sides of a corrected span, in seconds, whose windows are
	// probably not the pattern, and mostWeak the number of these that are used.
	margin, mostWeak = 8, 12
)

// feedback is a stored correction.
type feedback struct {
	records.Meta `json:"-"`
	Pattern      string `json:"pattern"`
	tasks.Feedback
	// Space is the key of the space of the vectors. About are windows that stand for the
	// span, Weak windows of the same recording that are probably not the pattern.
	Space string   `json:"space"`
	About []vector `json:"about"`
	Weak  []vector `json:"weak"`
}

func feedbackRecords() records.Kind[feedback] {
	return records.Kind[feedback]{
		Name: feedbackKind,
		Meta: func(f feedback) records.Meta { return f.Meta },
		With: func(f feedback, m records.Meta) feedback { f.Meta = m; return f },
		// The vectors are read when a head is fitted.
		Slim: func(f feedback) feedback { f.About, f.Weak = nil, nil; return f },
	}
}

// span returns the span that the pattern really has, or has not.
func (f feedback) span() tasks.StoredSpan {
	if f.Verdict == tasks.VerdictMoved {
		return tasks.StoredSpan{AudioID: f.AudioID, Start: *f.NewStart, End: *f.NewEnd}
	}
	return f.StoredSpan
}

// prepareCorrect validates a tasks.Correct.
func (s *Service) prepareCorrect(ctx context.Context, task services.Task) (*work, error) {
	var params tasks.CorrectParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	if err := errors.Join(s.stored(), withoutModel(task), withoutAudio(task)); err != nil {
		return nil, err
	}
	p, err := s.find(ctx, task.Caller, "pattern_id", params.PatternID)
	if err == nil {
		err = checkFeedback(params.Feedback)
	}
	if err == nil {
		_, err = s.usable(ctx, task.Caller, []string{p.ID})
	}
	if err != nil {
		return nil, err
	}
	held, err := s.holdFeedback(ctx, task.Caller, params.Feedback)
	releaseAll(held)
	if err != nil {
		return nil, err
	}
	return &work{do: func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		result, err := s.correct(ctx, task, params, sink)
		return result, nil, err
	}}, nil
}

// checkFeedback returns a fault for corrections that are invalid by themselves.
func checkFeedback(list []tasks.Feedback) error {
	var bad services.Complaints
	length := func(field string, start, end float64) {
		if n := end - start; !(n >= shortestExample && n <= longestExample) {
			bad.Complain(field, "must be %v to %d s long, got %.3f s", shortestExample, longestExample, n)
		}
	}
	for i, f := range list {
		field := fmt.Sprintf("feedback[%d]", i)
		moved := f.Verdict == tasks.VerdictMoved
		switch {
		case moved && (f.NewStart == nil || f.NewEnd == nil):
			bad.Complain(field, "needs new_start and new_end for the verdict moved")
		case !moved && (f.NewStart != nil || f.NewEnd != nil):
			bad.Complain(field, "has new_start or new_end, which need the verdict moved, got %q", f.Verdict)
		case moved:
			length(field, *f.NewStart, *f.NewEnd)
		default:
			length(field, f.Start, f.End)
		}
	}
	return bad.Err()
}

func (s *Service) holdFeedback(ctx context.Context, caller services.Caller, list []tasks.Feedback) ([]recording, error) {
	var ids []string
	for _, f := range list {
		ids = append(ids, f.AudioID)
	}
	return s.hold(ctx, caller, ids, numbered("feedback", "audio_id"))
}

// correct adds corrections to a pattern and learns its head anew.
func (s *Service) correct(ctx context.Context, task services.Task, params tasks.CorrectParams, sink services.Sink,
) (*tasks.Correction, error) {
	p, err := s.find(ctx, task.Caller, "pattern_id", params.PatternID)
	if err != nil {
		return nil, err
	}
	held, err := s.holdFeedback(ctx, task.Caller, params.Feedback)
	if err != nil {
		return nil, err
	}
	defer releaseAll(held)
	e := s.embedderOf(task, p.Model)
	sp, err := s.spaceOf(ctx, e)
	if err != nil {
		return nil, err
	}
	if sp.key() != p.space() {
		return nil, services.Invalidf("pattern_id", "was learnt with other files of model %s; compute it anew first", p.Model)
	}
	var fresh []feedback
	progress := &steps{sink: sink, all: len(held) + 1}
	for i, one := range held {
		f := feedback{Pattern: p.ID, Feedback: params.Feedback[i], Space: sp.key()}
		f.ID, f.Owner, f.Created = newID("fb_"), p.Owner, now()
		if err := s.surround(ctx, e, sp, p, one, &f); err != nil {
			return nil, fieldFault(err, fmt.Sprintf("feedback[%d]", i))
		}
		fresh = append(fresh, f)
		progress.next("corrections")
	}
	all, replaced, err := s.allFeedback(ctx, p, fresh)
	if err != nil {
		return nil, err
	}
	learnt, err := s.relearn(ctx, e, sp, p, all)
	if err != nil {
		return nil, err
	}
	if !params.DryRun {
		if learnt, err = s.storeFeedback(ctx, learnt, fresh, replaced); err != nil {
			return nil, err
		}
	}
	return s.correction(p, learnt, all, params.DryRun), nil
}

// surround sets the vectors of the windows about a corrected span.
func (s *Service) surround(ctx context.Context, e *embedder, sp *space, p pattern, r recording, f *feedback) error {
	d, err := decode(r.source, s.deps.Audio)
	if err != nil {
		return err
	}
	defer d.close()
	span := f.span()
	from, length := max(0, span.Start-margin), d.length()
	if span.End > length+0.05 {
		return services.Invalidf("", "ends at %.3f s, but the recording has %.3f s", span.End, length)
	}
	part, err := readSpan(ctx, d, from, span.End+margin, longestExample+2*margin)
	if err != nil {
		return err
	}
	exact := part
	exact.samples = part.samples[min(len(part.samples), int((span.Start-from)*float64(part.rate))):]
	exact.samples = exact.samples[:min(len(exact.samples), int((span.End-span.Start)*float64(part.rate)))]
	v, err := e.clip(ctx, exact)
	if err != nil {
		return err
	}
	f.About = []vector{sp.place(v)}
	tracks, err := e.windows(ctx, part, windowsFor(p.Length))
	if err != nil {
		return err
	}
	f.About, f.Weak = sides(sp, p.Head, tracks, from, span, f.About)
	return nil
}

// sides returns the windows that stand for a span, added to about, and some in its
// surroundings that are probably not the pattern. The tracks begin at a time in seconds.
func sides(sp *space, h head, tracks map[int]track, from float64, span tasks.StoredSpan, about []vector) (is, weak []vector) {
	type near struct {
		at      vector
		overlap float64
	}
	var windows []near
	var others []vector
	for _, n := range slices.Sorted(maps.Keys(tracks)) {
		t := tracks[n]
		for i, v := range t.vectors {
			start := from + float64(i)*t.hop
			overlap := iou(start, start+t.length, span.Start, span.End)
			v = sp.place(v)
			touches := start < span.End+0.1 && start+t.length > span.Start-0.1
			if overlap >= nearby {
				windows = append(windows, near{v, overlap})
			} else if !touches && h.score(v) < h.Threshold {
				others = append(others, v)
			}
		}
	}
	slices.SortStableFunc(windows, func(a, b near) int { return cmp.Compare(b.overlap, a.overlap) })
	for _, one := range windows[:min(len(windows), mostNearby-1)] {
		about = append(about, one.at)
	}
	for i := range min(len(others), mostWeak) {
		weak = append(weak, others[i*len(others)/min(len(others), mostWeak)])
	}
	return about, weak
}

// iou returns the intersection of two spans over their union.
func iou(a, b, c, d float64) float64 {
	shared := min(b, d) - max(a, c)
	if shared <= 0 {
		return 0
	}
	return shared / (max(b, d) - min(a, c))
}

// allFeedback returns the corrections of a pattern with further ones, and the stored ones
// that these replace because they are about the same span.
func (s *Service) allFeedback(ctx context.Context, p pattern, fresh []feedback) (all, replaced []feedback, err error) {
	known := s.feedback.Select(math.MaxInt, func(f feedback) bool { return f.Pattern == p.ID })
	for _, slim := range known {
		f, err := s.feedback.Load(ctx, slim.ID)
		if errors.Is(err, records.ErrMissing) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		again := slices.ContainsFunc(fresh, func(other feedback) bool {
			return other.AudioID == f.AudioID && iou(other.Start, other.End, f.Start, f.End) > 0.8
		})
		switch {
		case again:
			replaced = append(replaced, f)
		case f.Space == p.space():
			all = append(all, f)
		}
	}
	if n := len(all) + len(fresh); n > mostFeedback {
		return nil, nil, services.Invalidf("feedback", "makes %d corrections of the pattern, at most %d are stored", n, mostFeedback)
	}
	return append(all, fresh...), replaced, nil
}

// relearn returns the pattern with the head that its corrections ask for.
func (s *Service) relearn(ctx context.Context, e *embedder, sp *space, p pattern, all []feedback) (pattern, error) {
	got, err := s.vectorsOf(ctx, p)
	if err != nil {
		return p, err
	}
	background, err := s.backgroundOf(ctx, e, sp, windowsFor(p.Length))
	if err != nil {
		return p, err
	}
	l := lesson{shots: got.shots, counters: got.counters, background: background}
	var weak []vector
	p.Corrected = tasks.CorrectionCounts{}
	for _, f := range all {
		weak = append(weak, f.Weak...)
		switch f.Verdict {
		case tasks.VerdictRight:
			p.Corrected.Right++
		case tasks.VerdictMoved:
			p.Corrected.Moved++
		default:
			p.Corrected.Wrong++
		}
	}
	p.Head = learn(l, byPrototype(l, p.Derived), verdictsOf(all), weak)
	return p, nil
}

func verdictsOf(all []feedback) (list []verdict) {
	for _, f := range all {
		list = append(list, verdict{about: f.About, is: f.Verdict != tasks.VerdictWrong})
	}
	return list
}

// storeFeedback stores corrections and what was learnt from them.
func (s *Service) storeFeedback(ctx context.Context, learnt pattern, fresh, replaced []feedback) (pattern, error) {
	for _, f := range fresh {
		if _, err := s.feedback.Create(ctx, f); err != nil {
			return learnt, err
		}
	}
	for _, f := range replaced {
		if err := s.feedback.Delete(ctx, f); err != nil && !errors.Is(err, records.ErrConflict) && !errors.Is(err, records.ErrMissing) {
			return learnt, err
		}
	}
	stored, err := s.patterns.Edit(ctx, learnt.ID, func(p *pattern) (bool, error) {
		if p.Vectors != learnt.Vectors {
			return false, &services.Fault{Kind: services.KindBusy, Message: "the pattern was computed anew meanwhile; try again"}
		}
		p.Head, p.Corrected = learnt.Head, learnt.Corrected
		return true, nil
	})
	if errors.Is(err, records.ErrMissing) {
		return learnt, missing("pattern_id", learnt.ID)
	}
	return stored, err
}

// correction describes the difference between two states of a pattern.
func (s *Service) correction(before, after pattern, all []feedback, dry bool) *tasks.Correction {
	verdicts := verdictsOf(all)
	c := &tasks.Correction{
		Pattern: s.view(after), DryRun: dry, Before: judge(before.Head, verdicts), After: judge(after.Head, verdicts),
		Changed: []tasks.ChangedVerdict{},
	}
	for i, v := range verdicts {
		was, is := v.best(before.Head) >= before.Head.Threshold, v.best(after.Head) >= after.Head.Threshold
		if was != is {
			c.Changed = append(c.Changed, tasks.ChangedVerdict{StoredSpan: all[i].span(), Verdict: all[i].Verdict, Before: was, After: is})
		}
	}
	return c
}
