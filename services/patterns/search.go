package patterns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/patterns/index"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// defaultHits and mostHits bound the hits of a search.
	defaultHits, mostHits = 20, 200
	// duplicates is how many of the nearest windows are looked at for each hit, because
	// windows of several lengths overlap.
	duplicates = 16
	// sameSpan is the overlap, as a part of the shorter span, of hits that count as one.
	sameSpan = 0.5
)

// indexed are the numbers of the window lengths that recordings are indexed with: from 0.4
// to 3 s. Each begins a third of its length after the one before.
var indexed = []int{5, 7, 9, 11, 13}

const indexedPart = 3

// prepareSearch validates a tasks.Search.
func (s *Service) prepareSearch(ctx context.Context, task services.Task) (*work, error) {
	var params tasks.SearchParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	given := 0
	for _, set := range []bool{params.Span != nil, params.Pattern != "", params.Text != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		return nil, services.Invalidf("span", "or pattern or text must be given, and only one of them; got %d", given)
	}
	if params.Limit < 0 || params.Limit > mostHits {
		return nil, services.Invalidf("limit", "must be 1 to %d, got %d", mostHits, params.Limit)
	}
	if err := errors.Join(s.stored(), withoutAudio(task), s.checkModel(task)); err != nil {
		return nil, err
	}
	if params.Pattern != "" {
		if err := withoutModel(task); err != nil {
			return nil, err
		}
		if _, err := s.find(ctx, task.Caller, "pattern", params.Pattern); err != nil {
			return nil, err
		}
	}
	if params.Span != nil {
		err := checkSpans(tasks.TeachParams{Examples: []tasks.StoredSpan{*params.Span}})
		if err != nil {
			return nil, fieldFault(err, "span")
		}
	}
	held, err := s.holdSearch(ctx, task.Caller, params)
	releaseAll(held)
	if err != nil {
		return nil, err
	}
	return &work{do: func(ctx context.Context, sink services.Sink) (any, []services.Warning, error) {
		result, err := s.search(ctx, task, params, sink)
		return result, nil, err
	}}, nil
}

// holdSearch returns the recordings to search in, and then that of the span.
func (s *Service) holdSearch(ctx context.Context, caller services.Caller, params tasks.SearchParams) ([]recording, error) {
	ids := params.Recordings
	if params.Span != nil {
		ids = append(slices.Clone(ids), params.Span.AudioID)
	}
	return s.hold(ctx, caller, ids, func(i int) string {
		if i == len(params.Recordings) {
			return "span.audio_id"
		}
		return fmt.Sprintf("recordings[%d]", i)
	})
}

// search finds the stored spans that are nearest to what a task asks for.
func (s *Service) search(ctx context.Context, task services.Task, params tasks.SearchParams, sink services.Sink,
) (*tasks.SearchResult, error) {
	held, err := s.holdSearch(ctx, task.Caller, params)
	if err != nil {
		return nil, err
	}
	defer releaseAll(held)
	sink.Progress(0, "query")
	q, err := s.query(ctx, task, params, held)
	if err != nil {
		return nil, err
	}
	owner := task.Caller.Key
	for _, one := range q.both() {
		if err := s.indexAll(ctx, one, owner, held[:len(params.Recordings)], sink); err != nil {
			return nil, err
		}
	}
	var matches func(string) bool
	if len(params.Recordings) > 0 {
		wanted := make(map[string]bool)
		for _, id := range params.Recordings {
			wanted[id] = true
		}
		matches = func(source string) bool { return wanted[source] }
	}
	limit := cmp.Or(params.Limit, defaultHits)
	for {
		result := &tasks.SearchResult{Model: q.space.model, Hits: []tasks.SearchHit{}}
		var found []index.Hit
		err := s.withIndex(ctx, owner, q.space, func(x *index.Index) (err error) {
			result.Searched = x.Len()
			found, err = x.Search(ctx, q.at, limit*duplicates, matches)
			return err
		})
		if err != nil {
			return nil, err
		}
		found = distinct(found, limit)
		gone, err := s.missingOf(ctx, task.Caller, found)
		if err != nil {
			return nil, err
		}
		if len(gone) == 0 {
			return result, s.name(ctx, q, task.Caller, found, result)
		}
		if err := s.remove(ctx, owner, q.space, gone); err != nil {
			return nil, err
		}
	}
}

// query is what is searched for.
type query struct {
	embedder *embedder
	space    *space
	at       vector
	// sounds is set for a text: the same model's space of sounds, in which patterns are.
	sounds *query
}

// both returns the query, and that in the space of sounds if it is another one.
func (q query) both() []query {
	if q.sounds == nil {
		return []query{q}
	}
	return []query{q, *q.sounds}
}

// query returns what a task searches for. A span's recording is the last of those held.
func (s *Service) query(ctx context.Context, task services.Task, params tasks.SearchParams, held []recording) (q query, err error) {
	q.embedder = s.embedderOf(task, task.Model)
	if params.Pattern != "" {
		p, err := s.find(ctx, task.Caller, "pattern", params.Pattern)
		if err != nil {
			return q, err
		}
		if _, err := s.usable(ctx, task.Caller, []string{p.ID}); err != nil {
			return q, fieldFault(err, "pattern")
		}
		q.embedder.model, q.at = p.Model, p.Head.Prototype
	}
	if q.space, err = s.spaceOf(ctx, q.embedder); err != nil {
		return q, fieldOfModel(err)
	}
	if params.Text != "" {
		return s.textQuery(ctx, task, q, params.Text)
	}
	if params.Span != nil {
		clip, err := s.read(ctx, held[len(held)-1], *params.Span)
		if err != nil {
			return q, fieldFault(err, "span")
		}
		v, err := q.embedder.clip(ctx, clip)
		if err != nil {
			return q, err
		}
		q.at = q.space.place(v)
	}
	return q, nil
}

// textQuery returns what a text searches for.
func (s *Service) textQuery(ctx context.Context, task services.Task, sounds query, text string) (q query, err error) {
	q = query{embedder: s.embedderOf(task, sounds.space.model), sounds: &sounds}
	q.embedder.captions = true
	if q.at, err = q.embedder.text(ctx, text); err == nil {
		q.space, err = s.spaceOf(ctx, q.embedder)
	}
	if services.KindOf(err) == services.KindInvalid {
		return q, &services.Fault{Kind: services.KindInvalid, Err: err, Fields: []services.FieldError{{
			Field: "text", Problem: fmt.Sprintf("cannot be searched for with model %s, which embeds no texts", sounds.space.model),
		}}}
	}
	return q, err
}

// soundsOf returns the vectors of hits in the space of sounds; nil for one that is not in its
// index.
func (s *Service) soundsOf(ctx context.Context, q query, owner string, found []index.Hit) ([]vector, error) {
	vectors := make([]vector, len(found))
	if q.sounds == nil {
		for i, hit := range found {
			vectors[i] = hit.Vector
		}
		return vectors, nil
	}
	err := s.withIndex(ctx, owner, q.sounds.space, func(x *index.Index) error {
		for i, hit := range found {
			v, err := x.Vector(hit.Label)
			if err != nil {
				return err
			}
			vectors[i] = v
		}
		return nil
	})
	return vectors, err
}

// indexAll adds recordings to the index that are not in it.
func (s *Service) indexAll(ctx context.Context, q query, owner string, list []recording, sink services.Sink) error {
	if len(list) == 0 {
		return nil
	}
	known := make(map[string]bool)
	err := s.withIndex(ctx, owner, q.space, func(x *index.Index) error {
		for _, one := range list {
			known[one.id] = x.Has(one.id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, one := range list {
		if known[one.id] {
			continue
		}
		known[one.id] = true
		spans, err := s.spansOf(ctx, q, one, func(part float64) {
			sink.Progress(min(0.99, (float64(i)+part)/float64(len(list))), "index")
		})
		if err != nil {
			return err
		}
		if err := s.insert(ctx, owner, q.space, spans); err != nil {
			return err
		}
	}
	return nil
}

// spansOf returns the spans of a recording as they are indexed: windows of several lengths.
func (s *Service) spansOf(ctx context.Context, q query, r recording, progress func(part float64)) (index.Segment, error) {
	out := index.Segment{Dimensions: q.space.dims}
	d, err := decode(r.source, s.deps.Audio)
	if err != nil {
		return out, err
	}
	defer d.close()
	overlap := windowLength(slices.Max(indexed))
	err = eachPiece(ctx, d, overlap, func(piece sound, at float64, last bool) error {
		tracks, err := q.embedder.windows(ctx, piece, indexed)
		if err != nil {
			return err
		}
		for _, n := range indexed {
			t := tracks[n]
			every := max(1, int(t.length/indexedPart/t.hop+0.5))
			for i := 0; i < len(t.vectors); i += every {
				start := float64(i) * t.hop
				if start >= pieceSeconds && !last || at > 0 && piece.seconds() < windowLength(n) {
					break
				}
				out.Labels = append(out.Labels, index.Label{Source: r.id, Start: at + start, End: at + start + t.length})
				out.Vectors = append(out.Vectors, q.space.place(t.vectors[i]))
			}
		}
		progress(min(1, (at+pieceSeconds)/max(d.length(), 1)))
		return nil
	})
	return out, err
}

// distinct returns the best hits of which none overlaps a better one.
func distinct(found []index.Hit, most int) (list []index.Hit) {
	for _, hit := range found {
		again := slices.ContainsFunc(list, func(better index.Hit) bool {
			shared := min(hit.End, better.End) - max(hit.Start, better.Start)
			return hit.Source == better.Source && shared > sameSpan*min(hit.End-hit.Start, better.End-better.Start)
		})
		if !again {
			list = append(list, hit)
		}
		if len(list) == most {
			break
		}
	}
	return list
}

// missingOf returns the recordings of hits that do not exist any more.
func (s *Service) missingOf(ctx context.Context, caller services.Caller, found []index.Hit) (gone []string, err error) {
	checked := make(map[string]bool)
	for _, hit := range found {
		if checked[hit.Source] {
			continue
		}
		checked[hit.Source] = true
		_, release, err := s.deps.Recordings.StoredAudio(ctx, caller, hit.Source)
		switch {
		case err == nil:
			release()
		case services.KindOf(err) == services.KindNotFound:
			gone = append(gone, hit.Source)
		default:
			return nil, err
		}
	}
	return gone, nil
}

// name adds hits to a result, each with the patterns of the caller whose threshold it meets.
func (s *Service) name(ctx context.Context, q query, caller services.Caller, found []index.Hit, result *tasks.SearchResult) error {
	list, err := s.chosen(ctx, caller, nil)
	if err != nil {
		return err
	}
	vectors, err := s.soundsOf(ctx, q, caller.Key, found)
	if err != nil {
		return err
	}
	if q.sounds != nil {
		q = *q.sounds
	}
	for i, hit := range found {
		one := tasks.SearchHit{
			StoredSpan: tasks.StoredSpan{AudioID: hit.Source, Start: hit.Start, End: hit.End}, Score: round(hit.Score),
			Patterns: []tasks.DetectedPattern{},
		}
		for _, p := range list {
			if p.space() != q.space.key() || vectors[i] == nil {
				continue
			}
			if score := p.Head.score(vectors[i]); score >= p.Head.Threshold {
				one.Patterns = append(one.Patterns, tasks.DetectedPattern{
					ID: p.ID, Name: p.Name, Score: round(score), Confidence: round(p.Head.confidence(score)),
				})
			}
		}
		slices.SortStableFunc(one.Patterns, func(a, b tasks.DetectedPattern) int { return cmp.Compare(b.Confidence, a.Confidence) })
		one.Unknown = len(one.Patterns) == 0
		result.Hits = append(result.Hits, one)
	}
	return nil
}
