package patterns

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	claimKind = "pattern_name"
	// claimAge is the time in which a pattern must be written whose name has been claimed. A
	// claim that is older and whose pattern does not exist is left of a crash.
	claimAge = time.Minute
)

// claim is a stored claim of a name. Its id is a hash of owner and name, so that of all the
// processes of a cluster one can create it: names are unique in all of them.
type claim struct {
	records.Meta `json:"-"`
	Name         string `json:"name"`
	Pattern      string `json:"pattern"`
}

func claimRecords() records.Kind[claim] {
	return records.Kind[claim]{
		Name:       claimKind,
		Meta:       func(c claim) records.Meta { return c.Meta },
		With:       func(c claim, m records.Meta) claim { c.Meta = m; return c },
		Repeatable: true,
	}
}

// digestOf returns a hash of texts, as part of an id.
func digestOf(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

// claimName claims a name for a pattern of an owner, or returns a fault if another pattern
// has it.
func (s *Service) claimName(ctx context.Context, owner, name, id string) error {
	c := claim{Name: name, Pattern: id}
	c.ID, c.Owner, c.Created = digestOf(owner, name), owner, now()
	for {
		_, err := s.names.Create(ctx, c)
		if !errors.Is(err, records.ErrExists) {
			return err
		}
		held, err := s.names.Load(ctx, c.ID)
		switch {
		case errors.Is(err, records.ErrMissing):
			continue // it was released meanwhile
		case err != nil:
			return err
		case held.Pattern == id:
			return nil
		}
		if inUse, err := s.inUse(ctx, held); err != nil {
			return err
		} else if inUse {
			return taken(held.Pattern, name)
		}
		c.Revision = held.Revision
		if _, err = s.names.Replace(ctx, c); !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}

// inUse reports whether a pattern has the name that was claimed for it, or may be about to
// get it.
func (s *Service) inUse(ctx context.Context, c claim) (bool, error) {
	if s.db.Clock.Now().Sub(c.Updated) < claimAge {
		return true, nil
	}
	p, err := s.patterns.Load(ctx, c.Pattern)
	if errors.Is(err, records.ErrMissing) {
		return false, nil
	}
	return err == nil && p.Name == c.Name, err
}

// taken returns the fault for a name that another pattern of the owner has.
func taken(id, name string) error {
	return services.Invalidf("name", "is that of your pattern %s already, got %q; names must differ", id, name)
}

// releaseName gives up the claim of a name for a pattern. What cannot be deleted is left to
// the sweep.
func (s *Service) releaseName(ctx context.Context, owner, name, id string) {
	ctx = context.WithoutCancel(ctx)
	held, err := s.names.Load(ctx, digestOf(owner, name))
	if err == nil && held.Pattern == id {
		err = s.names.Delete(ctx, held)
	}
	if err != nil && !errors.Is(err, records.ErrMissing) && !errors.Is(err, records.ErrConflict) {
		s.log.Warn("the claim of a name could not be released", "pattern", id, "error", err)
	}
}

// dropClaims deletes claims whose patterns do not exist or have other names, as a crash
// leaves them.
func (s *Service) dropClaims(ctx context.Context) {
	old := s.names.Select(math.MaxInt, func(c claim) bool { return s.db.Clock.Now().Sub(c.Updated) > orphanAge })
	for _, c := range old {
		if p, exists := s.patterns.Get(c.Pattern); exists && p.Name == c.Name {
			continue
		}
		if err := s.names.Delete(ctx, c); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			s.log.Warn("the claim of a name could not be released", "pattern", c.Pattern, "error", fmt.Sprint(err))
		}
	}
}

// fingerprintOf returns a hash of what a task asks for.
func fingerprintOf(task services.Task, params tasks.TeachParams) (string, error) {
	raw, err := json.Marshal(params) // maps are written in the order of their keys
	if err != nil {
		return "", services.Internal(err, "the request could not be encoded")
	}
	return digestOf(task.Model, string(raw)), nil
}

// earlier returns the pattern that a task with the same key made before, with true. It
// returns services.ErrKeyReused if that was another request.
func (s *Service) earlier(ctx context.Context, task services.Task, params tasks.TeachParams) (pattern, bool, error) {
	if task.Key == "" {
		return pattern{}, false, nil
	}
	p, err := s.patterns.Load(ctx, keyedID(task))
	if errors.Is(err, records.ErrMissing) {
		return pattern{}, false, nil
	}
	asked, wrong := fingerprintOf(task, params)
	if err := errors.Join(err, wrong); err != nil {
		return pattern{}, false, err
	}
	if p.Request != asked {
		return pattern{}, false, fmt.Errorf("pattern %s: %w", p.ID, services.ErrKeyReused)
	}
	return p, true, nil
}

// keyedID returns the id of the pattern that a task with a key makes, so that the record
// itself makes the key unique.
func keyedID(task services.Task) string { return idPrefix + digestOf(task.Caller.Key, task.Key) }
