package patterns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Limits of the metadata of a pattern.
const maxEntries, maxKey, maxText = 32, 128, 1024

// ListPatterns returns a page of the patterns that the caller may see.
func (s *Service) ListPatterns(_ context.Context, caller services.Caller, name string, limit int, cursor string,
) (tasks.PatternPage, error) {
	if err := s.stored(); err != nil {
		return tasks.PatternPage{}, err
	}
	if err := s.db.NotReady("patterns"); err != nil {
		return tasks.PatternPage{}, err
	}
	page, err := s.patterns.List(records.Query[pattern]{Limit: limit, Cursor: cursor, Matches: func(p pattern) bool {
		return caller.Sees(p.Owner) && (name == "" || p.Name == name)
	}})
	if err != nil {
		return tasks.PatternPage{}, err
	}
	view := tasks.PatternPage{Data: []tasks.Pattern{}, Next: page.Next}
	for _, p := range page.Data {
		view.Data = append(view.Data, s.view(p))
	}
	return view, nil
}

// Pattern returns a pattern by id or name.
func (s *Service) Pattern(ctx context.Context, caller services.Caller, id string) (tasks.Pattern, error) {
	p, err := s.find(ctx, caller, "pattern_id", id)
	if err != nil {
		return tasks.Pattern{}, err
	}
	return s.view(p), nil
}

// ChangePattern changes name and metadata of a pattern.
func (s *Service) ChangePattern(ctx context.Context, caller services.Caller, id string, change tasks.PatternChange) (tasks.Pattern, error) {
	p, err := s.find(ctx, caller, "pattern_id", id)
	renamed := err == nil && change.Name != nil && *change.Name != p.Name
	if renamed {
		if err = s.checkName(p.Owner, *change.Name, p.ID); err == nil {
			err = s.claimName(ctx, p.Owner, *change.Name, p.ID)
		}
	}
	if err != nil {
		return tasks.Pattern{}, err
	}
	old := p.Name
	edited, err := s.patterns.Edit(ctx, p.ID, func(p *pattern) (bool, error) {
		old = p.Name
		return true, apply(change, p)
	})
	if errors.Is(err, records.ErrMissing) {
		err = missing("pattern_id", id)
	}
	if renamed && err != nil {
		s.releaseName(ctx, p.Owner, *change.Name, p.ID)
	}
	if err != nil {
		return tasks.Pattern{}, err
	}
	if old != edited.Name {
		s.releaseName(ctx, p.Owner, old, p.ID)
	}
	return s.view(edited), nil
}

// apply changes a pattern.
func apply(change tasks.PatternChange, p *pattern) error {
	if change.Name != nil {
		p.Name = *change.Name
	}
	merged := maps.Clone(p.Metadata)
	if merged == nil {
		merged = make(map[string]string)
	}
	for key, text := range change.Metadata {
		if merged[key] = text; text == "" {
			delete(merged, key)
		}
	}
	p.Metadata = merged
	return checkMetadata(merged)
}

// checkMetadata returns a fault for metadata beyond its limits.
func checkMetadata(metadata map[string]string) error {
	var bad services.Complaints
	bad.Check(len(metadata) <= maxEntries, "metadata", "must have at most %d entries, got %d", maxEntries, len(metadata))
	for key, text := range metadata {
		bad.Check(key != "" && len(key) <= maxKey, "metadata", "must have names of 1 to %d bytes, got %d", maxKey, len(key))
		bad.Check(len(text) <= maxText, "metadata", "must have texts of at most %d bytes, got %d", maxText, len(text))
	}
	return bad.Err()
}

// DeletePattern deletes a pattern with its corrections.
func (s *Service) DeletePattern(ctx context.Context, caller services.Caller, id string) error {
	for {
		p, err := s.find(ctx, caller, "pattern_id", id)
		if err != nil {
			return err
		}
		err = s.patterns.Delete(ctx, p)
		if errors.Is(err, records.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		s.releaseName(ctx, p.Owner, p.Name, p.ID)
		s.dropObject(ctx, p.Vectors)
		s.dropFeedback(context.WithoutCancel(ctx), func(f feedback) bool { return f.Pattern == p.ID })
		return nil
	}
}

// dropFeedback deletes corrections. Those that cannot be deleted are left to the sweep.
func (s *Service) dropFeedback(ctx context.Context, matches func(feedback) bool) {
	for _, f := range s.feedback.Select(math.MaxInt, matches) {
		if err := s.feedback.Delete(ctx, f); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			s.log.Warn("a correction could not be deleted", "id", f.ID, "error", fmt.Sprint(err))
		}
	}
}
