package patterns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// pieceSeconds is the sound that is embedded at a time.
	pieceSeconds = 30
	// mostDetections bounds the detections of one task.
	mostDetections = 10_000
)

// prepareDetect validates a tasks.Detect.
func (s *Service) prepareDetect(ctx context.Context, task services.Task) (*work, error) {
	var params tasks.DetectParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	if c := params.MinConfidence; c != nil && !(*c >= 0.01 && *c <= 0.99) {
		return nil, services.Invalidf("min_confidence", "must be 0.01 to 0.99, got %v", *c)
	}
	switch {
	case task.Audio == nil && len(params.Recordings) == 0:
		return nil, services.Invalidf("file", "is missing; send a recording as form field file, or name stored ones in recordings")
	case task.Audio != nil && len(params.Recordings) > 0:
		return nil, services.Invalidf("recordings", "cannot be combined with a file")
	}
	if err := errors.Join(s.stored(), withoutModel(task)); err != nil {
		return nil, err
	}
	if task.Audio != nil {
		d, err := decode(task.Audio, s.limits(params.Strict))
		if err != nil {
			return nil, err
		}
		d.close()
	}
	if _, err := s.usable(ctx, task.Caller, params.Patterns); err != nil {
		return nil, err
	}
	held, err := s.hold(ctx, task.Caller, params.Recordings, numbered("recordings", ""))
	releaseAll(held)
	if err != nil {
		return nil, err
	}
	return &work{do: func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		return s.detect(ctx, task, params, sink)
	}}, nil
}

// usable returns the patterns that a task names, whose models must be as they were.
func (s *Service) usable(ctx context.Context, caller services.Caller, names []string) ([]pattern, error) {
	list, err := s.chosen(ctx, caller, names)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, services.Invalidf("patterns", "must name a pattern: you have none; teach one with POST /v1/patterns")
	}
	for i, p := range list {
		if hash, err := s.digest(p.Model); err != nil || hash != p.Hash {
			return nil, services.Invalidf(fmt.Sprintf("patterns[%d]", i), "%q was learnt with other files of model %s than there are now; "+
				"compute it anew with POST /v1/patterns/reembed", p.Name, p.Model)
		}
	}
	return list, nil
}

// detect finds patterns in one or more recordings.
func (s *Service) detect(ctx context.Context, task services.Task, params tasks.DetectParams, sink services.Sink,
) (any, []services.Warning, error) {
	list, err := s.usable(ctx, task.Caller, params.Patterns)
	if err != nil {
		return nil, nil, err
	}
	result := &tasks.Detections{Patterns: []tasks.DetectionPattern{}, Detections: []tasks.Detection{}}
	held := []recording{{source: task.Audio, release: func() {}}}
	if task.Audio == nil {
		if held, err = s.hold(ctx, task.Caller, params.Recordings, numbered("recordings", "")); err != nil {
			return nil, nil, err
		}
	}
	defer releaseAll(held)
	var warnings []services.Warning
	scan := &scan{service: s, task: task, limits: params, sink: sink}
	for i, one := range held {
		scan.from, scan.part = float64(i)/float64(len(held)), 1/float64(len(held))
		targets, seconds, notes, err := scan.recording(ctx, list, one)
		if err != nil {
			return nil, nil, err
		}
		for _, note := range notes {
			warnings = services.AddWarning(warnings, note)
		}
		result.DurationSeconds = round(result.DurationSeconds + seconds)
		found := detections(targets, one.id, seconds)
		result.Detections = append(result.Detections, found...)
		if one.id != "" {
			if err := s.sight(ctx, task.Caller.Key, one.id, seconds, targets, found); err != nil {
				return nil, nil, err
			}
		}
	}
	tasks.SortDetections(result.Detections, params.Recordings)
	if len(result.Detections) > mostDetections {
		warnings = services.AddWarning(warnings, services.Warning{Code: services.WarnTruncated, Message: fmt.Sprintf(
			"only the first %d of %d detections are returned; raise min_confidence, or name fewer patterns", mostDetections,
			len(result.Detections))})
		result.Detections = result.Detections[:mostDetections]
	}
	counts := make(map[string]int)
	for _, one := range result.Detections {
		counts[one.Pattern]++
	}
	for _, p := range list {
		result.Patterns = append(result.Patterns, tasks.DetectionPattern{ID: p.ID, Name: p.Name, Detections: counts[p.ID]})
	}
	return result, warnings, nil
}

// detections returns what was found in a recording of the given length. The windows of a
// model may end a little after the recording.
func detections(targets []*target, audio string, seconds float64) (list []tasks.Detection) {
	for _, t := range targets {
		for _, w := range t.peaks.found {
			list = append(list, tasks.Detection{
				Pattern: t.pattern.ID, Label: t.pattern.Name, AudioID: audio,
				Start: round(w.start), End: min(round(w.end), round(seconds)), Score: round(w.score),
				Confidence: round(t.confidenceOf(w)), Example: t.nearest(w.at),
			})
		}
	}
	return list
}

// nearest returns the id of the example that is nearest to a vector.
func (t *target) nearest(v vector) (id string) {
	best := math.Inf(-1)
	for i, shot := range t.shots {
		for _, one := range shot {
			if score := dot(one, v); score > best {
				best, id = score, t.pattern.Examples[i].ID
			}
		}
	}
	return id
}

// scan searches recordings piece by piece.
type scan struct {
	service *Service
	task    services.Task
	limits  tasks.DetectParams
	sink    services.Sink
	// from and part place the progress in that of the task.
	from, part float64
}

// limits returns the limits of recordings for a task.
func (s *Service) limits(strict bool) (l audiofile.Limits) {
	l = s.deps.Audio
	l.Strict = l.Strict || strict
	return l
}

// recording searches one recording for the patterns.
func (c *scan) recording(ctx context.Context, list []pattern, r recording) ([]*target, float64, []services.Warning, error) {
	s := c.service
	least := 0.5
	if c.limits.MinConfidence != nil {
		least = *c.limits.MinConfidence
	}
	models := make(map[string][]*target)
	var targets []*target
	for _, p := range list {
		e, err := s.vectorsOf(ctx, p)
		if err != nil {
			return nil, 0, nil, err
		}
		t := newTarget(p, e, least)
		targets, models[p.Model] = append(targets, t), append(models[p.Model], t)
	}
	d, err := decode(r.source, s.limits(c.limits.Strict))
	if err != nil {
		return nil, 0, nil, err
	}
	defer d.close()
	err = eachPiece(ctx, d, longest(targets), func(piece sound, at float64, last bool) error {
		c.sink.Progress(c.from+c.part*min(0.99, at/max(at+pieceSeconds, d.length())), "search")
		for model, group := range models {
			if err := c.piece(ctx, model, group, piece, at, last); err != nil {
				return err
			}
		}
		return nil
	})
	seconds := float64(d.at) / float64(d.rate)
	for _, t := range targets {
		t.finish(seconds)
	}
	return targets, seconds, d.reader.Warnings(), err
}

// longest returns the length of the longest windows in seconds.
func longest(targets []*target) (seconds float64) {
	for _, t := range targets {
		seconds = max(seconds, windowLength(t.lengths[len(t.lengths)-1]))
	}
	return seconds
}

// eachPiece calls do for each piece of pieceSeconds of a recording, which overlaps the next
// one by some seconds. at is the time at which the piece begins.
func eachPiece(ctx context.Context, d *decoder, overlap float64, do func(piece sound, at float64, last bool) error) error {
	step := pieceSeconds * d.rate
	whole := step + int(math.Ceil(overlap*float64(d.rate)))
	var held []float32
	ended := false
	for at := 0; ; at += step {
		for len(held) < whole && !ended {
			block, err := d.next(ctx)
			switch {
			case errors.Is(err, io.EOF):
				ended = true
			case err != nil:
				return err
			default:
				held = append(held, block...)
			}
		}
		last := ended && len(held) <= whole
		if len(held) > 0 {
			if err := do(sound{samples: held[:min(len(held), whole)], rate: d.rate}, float64(at)/float64(d.rate), last); err != nil {
				return err
			}
		}
		if last || len(held) == 0 {
			return nil
		}
		held = append(held[:0:0], held[step:]...)
	}
}

// piece searches a piece of a recording, which begins at a time in seconds, for the
// patterns of one model.
func (c *scan) piece(ctx context.Context, model string, targets []*target, piece sound, at float64, last bool) error {
	s := c.service
	e := s.embedderOf(c.task, model)
	sp, err := s.spaceOf(ctx, e)
	if err != nil {
		return err
	}
	wanted := make(map[int]bool)
	for _, t := range targets {
		for _, n := range t.lengths {
			wanted[n] = true
		}
	}
	tracks, err := e.windows(ctx, piece, slices.Sorted(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	for _, track := range tracks {
		for i, v := range track.vectors {
			track.vectors[i] = sp.place(v)
		}
	}
	for _, t := range targets {
		for _, n := range t.lengths {
			if at == 0 || piece.seconds() >= windowLength(n) { // else the piece before has the sound
				t.take(tracks[n], at, last)
			}
		}
		if !last {
			t.settle(at + pieceSeconds)
		}
	}
	return nil
}
