package pipelines

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Origins of pipelines.
const (
	OriginStored  = "stored"  // by a client
	OriginConfig  = "config"  // in the configuration
	OriginShipped = "shipped" // with the server
)

// Errors of requests that cannot be fulfilled.
var (
	// ErrExists is returned by Create for a name that is taken.
	ErrExists = errors.New("a pipeline of this name exists")
	// ErrFixed is returned for a change of a pipeline that no client has stored.
	ErrFixed = errors.New("the pipeline cannot be changed")
)

// Pipeline is a named definition.
type Pipeline struct {
	Definition Definition `json:"definition"`
	// Version counts the changes, from 1.
	Version int    `json:"version"`
	Origin  string `json:"-"`

	Owner    string           `json:"-"`
	Created  time.Time        `json:"-"`
	Updated  time.Time        `json:"-"`
	Revision records.Revision `json:"-"`
	// id of the record.
	id string
}

// pipelineKind describes the records of pipelines.
var pipelineKind = records.Kind[Pipeline]{
	Name: "pipeline",
	Meta: func(p Pipeline) records.Meta {
		return records.Meta{ID: p.id, Owner: p.Owner, Created: p.Created, Updated: p.Updated, Revision: p.Revision}
	},
	With: func(p Pipeline, m records.Meta) Pipeline {
		p.id, p.Owner, p.Created, p.Updated, p.Revision, p.Origin = m.ID, m.Owner, m.Created, m.Updated, m.Revision, OriginStored
		return p
	},
}

// plainOwner matches owners that can be part of a key unchanged.
var plainOwner = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// recordID returns the id of an owner's pipeline, which is a valid key in every store.
func recordID(owner, name string) string {
	switch {
	case owner == "":
		owner = "_"
	case !plainOwner.MatchString(owner):
		owner = "_" + hex.EncodeToString([]byte(owner))
	}
	return owner + "." + name
}

// missing returns the fault for a pipeline that does not exist, or err unchanged.
func missing(name string, err error) error {
	if !errors.Is(err, records.ErrMissing) {
		return err
	}
	return &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("pipeline %.80q does not exist", name), Err: err}
}

// Get returns a pipeline of the caller, or one that everybody has.
func (s *Service) Get(ctx context.Context, caller services.Caller, name string) (Pipeline, error) {
	if !nameForm.MatchString(name) {
		return Pipeline{}, missing(name, records.ErrMissing)
	}
	found, err := s.pipelines.Load(ctx, recordID(caller.Key, name))
	if errors.Is(err, records.ErrMissing) {
		if at := slices.IndexFunc(s.fixed, func(p Pipeline) bool { return p.Definition.Name == name }); at >= 0 {
			return s.chosen(ctx, s.fixed[at]), nil
		}
	}
	return found, missing(name, err)
}

// fixedCursor begins the cursors of pages with pipelines that no client has stored.
const fixedCursor = "fixed-"

// List returns a page of the pipelines that the caller may run: those that it has stored, the
// newest first, and then those that everybody has.
func (s *Service) List(ctx context.Context, caller services.Caller, limit int, cursor string) (records.Page[Pipeline], error) {
	var page records.Page[Pipeline]
	if err := s.Database.NotReady("pipelines"); err != nil {
		return page, err
	}
	rest, fixed := strings.CutPrefix(cursor, fixedCursor)
	from := 0
	if fixed {
		var err error
		if from, err = strconv.Atoi(rest); err != nil || from < 0 || from > len(s.fixed) {
			return page, services.Invalidf("cursor", "must be the next cursor of a page, got %.80q", cursor)
		}
	} else {
		var err error
		own := func(p Pipeline) bool { return p.Owner == caller.Key }
		page, err = s.pipelines.List(records.Query[Pipeline]{Matches: own, Limit: limit, Cursor: cursor})
		if err != nil || page.Next != "" {
			return page, err
		}
	}
	for i, p := range s.fixed[from:] {
		if len(page.Data) == limit {
			page.Next = fixedCursor + strconv.Itoa(from+i)
			break
		}
		page.Data = append(page.Data, s.chosen(ctx, p))
	}
	return page, nil
}

// Create stores a new pipeline. It is checked as a whole. existed reports that the caller has
// the same one already.
func (s *Service) Create(ctx context.Context, caller services.Caller, d Definition) (_ Pipeline, existed bool, err error) {
	if d.Name == "" {
		return Pipeline{}, false, services.Invalidf("name", "is missing")
	}
	if err := s.check(ctx, d); err != nil {
		return Pipeline{}, false, err
	}
	switch before, err := s.Get(ctx, caller, d.Name); {
	case err == nil && before.Origin == OriginStored && before.Definition.Hash() == d.Hash():
		return before, true, nil
	case err == nil:
		return Pipeline{}, false, fmt.Errorf("%q: %w", d.Name, ErrExists)
	case !errors.Is(err, records.ErrMissing):
		return Pipeline{}, false, err
	}
	if err := s.Database.Store().Room(records.LeastRoom); err != nil {
		return Pipeline{}, false, err
	}
	created, err := s.pipelines.Create(ctx, Pipeline{
		Definition: d, Version: 1, Owner: caller.Key, Created: time.Now().UTC(), id: recordID(caller.Key, d.Name),
	})
	if errors.Is(err, records.ErrExists) {
		err = fmt.Errorf("%q: %w", d.Name, ErrExists)
	}
	return created, false, err
}

// Replace stores a new version of a pipeline, which change makes of the one that stands. Runs
// of the old one go on with it.
func (s *Service) Replace(
	ctx context.Context, caller services.Caller, name string, change func(Definition) (Definition, error),
) (Pipeline, error) {
	before, err := s.Get(ctx, caller, name)
	switch {
	case err != nil:
		return Pipeline{}, err
	case before.Origin != OriginStored:
		return Pipeline{}, fmt.Errorf("%q is %s: %w", name, before.Origin, ErrFixed)
	}
	p, err := s.pipelines.Edit(ctx, recordID(caller.Key, name), func(p *Pipeline) (bool, error) {
		d, err := change(p.Definition)
		if err != nil {
			return false, err
		}
		if d.Name == "" {
			d.Name = name
		}
		if d.Name != name {
			return false, services.Invalidf("name", "must be %s, as in the path, got %.80q", name, d.Name)
		}
		if err := s.check(ctx, d); err != nil {
			return false, err
		}
		if d.Hash() == p.Definition.Hash() {
			return false, nil
		}
		p.Definition, p.Version = d, p.Version+1
		return true, nil
	})
	return p, missing(name, err)
}

// Delete deletes a stored pipeline. Its runs go on.
func (s *Service) Delete(ctx context.Context, caller services.Caller, name string) error {
	for {
		p, err := s.Get(ctx, caller, name)
		switch {
		case err != nil:
			return err
		case p.Origin != OriginStored:
			return fmt.Errorf("%q is %s: %w", name, p.Origin, ErrFixed)
		}
		if err = s.pipelines.Delete(ctx, p); !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}

// check checks a definition with the services of the server.
func (s *Service) check(ctx context.Context, d Definition) error {
	plan, wrong := Compile(d)
	lacks, err := plan.Check(ctx, s.World)
	return merge(wrong, err, Refuse(lacks))
}

// Lacks returns what the server does not have for a pipeline.
func (s *Service) Lacks(ctx context.Context, d Definition) []Lack {
	plan, err := s.plan(d)
	if err != nil {
		return []Lack{{Problem: "definition " + err.Error()}}
	}
	lacks, err := plan.Check(ctx, s.World)
	if err != nil {
		lacks = append(lacks, Lack{Problem: "definition " + err.Error()})
	}
	return lacks
}

// chosen returns a pipeline with the first of its variants for which the server lacks
// nothing, or as it is if there is none.
func (s *Service) chosen(ctx context.Context, p Pipeline) Pipeline {
	for _, d := range s.variants[p.Definition.Name] {
		if len(s.Lacks(ctx, d)) == 0 {
			p.Definition = d
			break
		}
	}
	return p
}
