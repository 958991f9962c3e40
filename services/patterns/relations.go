package patterns

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	sightingKind = "detection"
	// sightingAge is how long detections are stored, and mostSightings how many of each
	// recording.
	sightingAge, mostSightings = 90 * 24 * time.Hour, 5000
	// within is the greatest gap in seconds between patterns that follow each other.
	within = 2.0
)

// sighting is what was found last in a recording, for its owner.
type sighting struct {
	records.Meta `json:"-"`
	AudioID      string  `json:"audio_id"`
	Duration     float64 `json:"duration"`
	// Found has the spans by the id of the pattern, in the order of time.
	Found map[string][]place `json:"found"`
}

// place is a span in seconds.
type place [2]float64

func sightingRecords() records.Kind[sighting] {
	return records.Kind[sighting]{
		Name: sightingKind,
		Meta: func(g sighting) records.Meta { return g.Meta },
		With: func(g sighting, m records.Meta) sighting { g.Meta = m; return g },
	}
}

// sight stores what was found in a recording.
func (s *Service) sight(ctx context.Context, owner, audio string, seconds float64, targets []*target, found []tasks.Detection) error {
	sum := sha256.Sum256([]byte(owner + "\x00" + audio))
	id := hex.EncodeToString(sum[:16])
	change := func(g *sighting) {
		g.AudioID, g.Duration, g.Expires = audio, seconds, now().Add(sightingAge)
		if g.Found == nil {
			g.Found = make(map[string][]place)
		}
		for _, t := range targets {
			delete(g.Found, t.pattern.ID)
		}
		for _, one := range found[:min(len(found), mostSightings)] {
			g.Found[one.Pattern] = append(g.Found[one.Pattern], place{one.Start, one.End})
		}
	}
	for {
		_, err := s.sightings.Edit(ctx, id, func(g *sighting) (bool, error) { change(g); return true, nil })
		if !errors.Is(err, records.ErrMissing) {
			return err
		}
		var fresh sighting
		fresh.ID, fresh.Owner, fresh.Created = id, owner, now()
		change(&fresh)
		if _, err = s.sightings.Create(ctx, fresh); !errors.Is(err, records.ErrExists) {
			return err
		}
	}
}

// expireSightings deletes old detections.
func (s *Service) expireSightings(ctx context.Context) {
	old := s.sightings.Select(1000, func(g sighting) bool { return s.db.Clock.Passed(g.Expires) })
	for _, g := range old {
		if err := s.sightings.Delete(ctx, g); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			s.log.Warn("expired detections could not be deleted", "id", g.ID, "error", err)
		}
	}
}

// PatternRelations returns the relations of a pattern with the others of its owner.
func (s *Service) PatternRelations(ctx context.Context, caller services.Caller, id string) (tasks.PatternRelations, error) {
	p, err := s.find(ctx, caller, "pattern_id", id)
	if err == nil {
		err = s.db.NotReady("patterns")
	}
	if err != nil {
		return tasks.PatternRelations{}, err
	}
	out := tasks.PatternRelations{ID: p.ID, Name: p.Name, Within: within, Relations: []tasks.PatternRelation{}}
	others := s.patterns.Select(mostPatterns, func(other pattern) bool { return other.Owner == p.Owner && other.ID != p.ID })
	relations := make([]tasks.PatternRelation, len(others))
	for i, other := range others {
		relations[i] = tasks.PatternRelation{ID: other.ID, Name: other.Name}
		if other.space() == p.space() {
			relations[i].Similar = new(round(dot(p.Head.Prototype, other.Head.Prototype)))
		}
	}
	s.sightings.Each(func(e records.Entry[sighting]) bool {
		own := e.Value.Found[p.ID]
		if e.Value.Owner != p.Owner || len(own) == 0 {
			return true
		}
		out.Recordings++
		out.Detections += len(own)
		for i, other := range others {
			count(&relations[i], own, e.Value.Found[other.ID])
		}
		return true
	})
	slices.SortStableFunc(relations, func(a, b tasks.PatternRelation) int {
		times := func(r tasks.PatternRelation) int { return r.Follows + r.FollowedBy + r.Overlaps }
		similar := func(r tasks.PatternRelation) float64 {
			if r.Similar == nil {
				return -2
			}
			return *r.Similar
		}
		return cmp.Or(cmp.Compare(times(b), times(a)), cmp.Compare(similar(b), similar(a)))
	})
	out.Relations = append(out.Relations, relations...)
	return out, nil
}

// count adds the pairs of spans that follow each other or overlap.
func count(r *tasks.PatternRelation, own, other []place) {
	for _, a := range own {
		overlaps := false
		follows, followed := false, false
		for _, b := range other {
			switch {
			case b[0] < a[1] && a[0] < b[1]:
				overlaps = true
			case a[0] >= b[1] && a[0]-b[1] <= within:
				follows = true
			case b[0] >= a[1] && b[0]-a[1] <= within:
				followed = true
			}
		}
		for n, yes := range map[*int]bool{&r.Overlaps: overlaps, &r.Follows: follows, &r.FollowedBy: followed} {
			if yes {
				*n++
			}
		}
	}
}
