package patterns

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/patterns/index"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	patternKind  = "pattern"
	feedbackKind = "feedback"
	idPrefix     = "pat_"
	// objectPrefix begins the names of objects with the vectors of a pattern's examples.
	objectPrefix = "pattern-"
)

// pattern is a stored pattern.
type pattern struct {
	records.Meta `json:"-"`
	Name         string            `json:"name"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	// Request is a hash of the request that made the pattern under an idempotency key.
	Request string `json:"request,omitempty"`
	// Model, Hash and Dimensions identify the space of the vectors.
	Model      string `json:"model"`
	Hash       string `json:"hash"`
	Dimensions int    `json:"dimensions"`
	// Examples, Counters with their spans; Last is the number of the last example.
	Examples []tasks.PatternExample `json:"examples"`
	Counters []tasks.PatternExample `json:"counter_examples,omitempty"`
	// Vectors is the object with the vectors of both.
	Vectors string `json:"vectors"`
	// Length of the examples in seconds, and what was derived from them.
	Length    float64                `json:"length"`
	Derived   tasks.PatternThreshold `json:"derived"`
	SelfTest  *tasks.SelfTest        `json:"self_test,omitempty"`
	Head      head                   `json:"head"`
	Corrected tasks.CorrectionCounts `json:"corrections"`
}

func patternRecords() records.Kind[pattern] {
	return records.Kind[pattern]{
		Name:    patternKind,
		Meta:    func(p pattern) records.Meta { return p.Meta },
		With:    func(p pattern, m records.Meta) pattern { p.Meta = m; return p },
		Objects: func(p pattern) []string { return []string{p.Vectors} },
	}
}

// space returns the key of the space of the vectors.
func (p pattern) space() string { return (&space{model: p.Model, hash: p.Hash}).key() }

// view returns the pattern as clients see it.
func (s *Service) view(p pattern) tasks.Pattern {
	hash, err := s.digest(p.Model)
	v := tasks.Pattern{
		ID: p.ID, Object: "pattern", Name: p.Name, Metadata: p.Metadata, Model: p.Model, ModelHash: p.Hash, Stale: err != nil || hash != p.Hash,
		Dimensions: p.Dimensions, Examples: p.Examples, CounterExamples: p.Counters, Length: p.Length, Threshold: p.Derived,
		SelfTest: p.SelfTest, Head: p.Head.Kind, Corrections: p.Corrected, Created: p.Created, Updated: p.Updated, Advice: []string{},
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	if v.CounterExamples == nil {
		v.CounterExamples = []tasks.PatternExample{}
	}
	if p.Head.Kind == tasks.HeadLogistic || math.Abs(p.Head.Threshold-p.Derived.Value) > 1e-4 {
		v.Threshold.Value, v.Threshold.Method = round(p.Head.Threshold), byCorrections
	}
	v.Advice = append(v.Advice, advice(p, v.Stale)...)
	return v
}

// fewExamples is the number of examples below which a pattern carries a warning.
const fewExamples = 5

// advice returns what is deficient about a pattern, as sentences.
func advice(p pattern, stale bool) (list []string) {
	if n := len(p.Examples); n < fewExamples {
		list = append(list, fmt.Sprintf("it has %d of the %d examples that a reliable threshold needs", n, fewExamples))
	}
	if p.Derived.ExamplesMean-p.Derived.Background < 2*leastMargin {
		list = append(list, "other sound scores as high as its examples; add examples or counter-examples, or correct detections")
	}
	if stale {
		list = append(list, "its model has other files now or is missing, so it cannot be used; compute it anew with the task reembed")
	}
	return list
}

// missing returns the fault for a pattern that does not exist.
func missing(field, name string) error {
	problem := fmt.Sprintf("names no pattern, got %.128q", name)
	return &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: field, Problem: problem}}}
}

// validID reports whether a text can be the id of a pattern.
var validID = regexp.MustCompile(`^pat_[a-z2-7]{26}$`).MatchString

// newID returns the id of a new record.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// find returns a pattern that the caller may see, by id or by the name that its owner gave
// it.
func (s *Service) find(ctx context.Context, caller services.Caller, field, name string) (pattern, error) {
	if err := s.stored(); err != nil {
		return pattern{}, err
	}
	if validID(name) {
		p, err := s.patterns.Load(ctx, name)
		switch {
		case errors.Is(err, records.ErrMissing), err == nil && !caller.Sees(p.Owner):
			return pattern{}, missing(field, name)
		}
		return p, err
	}
	found := s.patterns.Select(1, func(p pattern) bool { return p.Owner == caller.Key && p.Name == name })
	if len(found) == 0 {
		if err := s.db.NotReady("patterns"); err != nil {
			return pattern{}, err
		}
		return pattern{}, missing(field, name)
	}
	return found[0], nil
}

// chosen returns the patterns that the caller names, or all of the caller.
func (s *Service) chosen(ctx context.Context, caller services.Caller, names []string) ([]pattern, error) {
	if err := s.stored(); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if err := s.db.NotReady("patterns"); err != nil {
			return nil, err
		}
		return s.patterns.Select(mostPatterns, func(p pattern) bool { return p.Owner == caller.Key }), nil
	}
	var list []pattern
	var bad services.Complaints
	for i, name := range names {
		field := fmt.Sprintf("patterns[%d]", i)
		p, err := s.find(ctx, caller, field, name)
		switch {
		case services.KindOf(err) == services.KindNotFound:
			bad.Complain(field, "names no pattern, got %.128q", name)
		case err != nil:
			return nil, err
		case !slices.ContainsFunc(list, func(known pattern) bool { return known.ID == p.ID }):
			list = append(list, p)
		}
	}
	if fault := bad.Fault(); fault != nil {
		fault.Kind = services.KindNotFound
		return nil, fault
	}
	return list, nil
}

// checkName returns a fault if the owner has another pattern of the name, as far as this
// process knows.
func (s *Service) checkName(owner, name, except string) error {
	found := s.patterns.Select(1, func(p pattern) bool { return p.Owner == owner && p.Name == name && p.ID != except })
	if len(found) > 0 {
		return taken(found[0].ID, name)
	}
	if strings.TrimSpace(name) != name || name == "" || strings.ContainsFunc(name, unicode.IsControl) || validID(name) {
		return services.Invalidf("name", "must be a text without surrounding spaces and control characters that is no id, got %q", name)
	}
	return nil
}

// examples are the vectors of a pattern: those of the examples with their copies, and of
// the counter-examples.
type examples struct {
	shots    [][]vector
	counters []vector
}

// segment returns the vectors as an object. A label has the example's id, and the number of
// the copy as its start.
func (e examples) segment(p pattern) index.Segment {
	out := index.Segment{Dimensions: p.Dimensions}
	for i, shot := range e.shots {
		for j, v := range shot {
			out.Labels = append(out.Labels, index.Label{Source: p.Examples[i].ID, Start: float64(j)})
			out.Vectors = append(out.Vectors, v)
		}
	}
	for i, v := range e.counters {
		out.Labels = append(out.Labels, index.Label{Source: p.Counters[i].ID})
		out.Vectors = append(out.Vectors, v)
	}
	return out
}

// vectorsOf reads the vectors of a pattern's examples.
func (s *Service) vectorsOf(ctx context.Context, p pattern) (examples, error) {
	object, err := s.db.Store().Object(ctx, p.Vectors)
	if err != nil {
		return examples{}, services.Internal(err, "the examples of pattern %s cannot be read", p.ID)
	}
	defer object.Close()
	segment, err := index.ReadSegment(object)
	if err != nil {
		return examples{}, services.Internal(err, "the examples of pattern %s cannot be read", p.ID)
	}
	byID := make(map[string][]vector)
	for i, l := range segment.Labels {
		byID[l.Source] = append(byID[l.Source], segment.Vectors[i])
	}
	var e examples
	for _, one := range p.Examples {
		e.shots = append(e.shots, byID[one.ID])
	}
	for _, one := range p.Counters {
		e.counters = append(e.counters, byID[one.ID]...)
	}
	return e, nil
}

// writeVectors stores the vectors of a pattern as a new object, and sets its name.
func (s *Service) writeVectors(ctx context.Context, p *pattern, e examples) error {
	p.Vectors = objectPrefix + p.ID + "-" + strings.ToLower(rand.Text())
	return s.putSegment(ctx, p.Vectors, e.segment(*p))
}

// now returns the time as records have it.
func now() time.Time { return time.Now().UTC() }
