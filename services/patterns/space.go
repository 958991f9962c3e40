package patterns

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// crowded is the mean cosine of unrelated sounds above which the vectors of a model are
	// standardised before they are compared.
	crowded = 0.5
	// cohortStep is the step between windows of the cohort in seconds.
	cohortStep = 0.2
	// unrelated is the number of the windows that this is measured with.
	unrelated = 9
)

// space is the space of the vectors of one state of a model. Vectors of different spaces
// are never compared.
type space struct {
	model, hash string
	// captions is set for the space that sounds share with texts.
	captions bool
	// one is held by the task that embeds the background, which the others need too.
	one chan struct{}

	mu sync.Mutex
	// known reports whether the fields below are set: the length of vectors, and mean and
	// deviation of unrelated sounds, nil if vectors are compared as they are.
	known         bool
	dims          int
	mean, inverse vector
	// background has windows of the cohort, by the number of their length.
	background map[int][]vector
	resident   services.Resident
}

// probe returns a short sound, which a model is asked for its name with.
func probe() sound {
	return sound{samples: noise(rand.New(rand.NewPCG(1, 1)), pink, cohortRate/2, cohortRate), rate: cohortRate}
}

// key identifies a space.
func (sp *space) key() string {
	if sp.captions {
		return sp.model + "@" + sp.hash + "#captions"
	}
	return sp.model + "@" + sp.hash
}

// place moves a vector of the model into the space. It changes the vector.
func (sp *space) place(v vector) vector {
	if sp.mean != nil {
		for i := range v {
			v[i] = (v[i] - sp.mean[i]) * sp.inverse[i]
		}
	}
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if squares > 0 && math.Abs(squares-1) > 1e-6 {
		scale := float32(1 / math.Sqrt(squares))
		for i := range v {
			v[i] *= scale
		}
	}
	return v
}

// spaceOf returns the space of a model; an empty name is the default model's. It embeds the
// background if no task has done so.
func (s *Service) spaceOf(ctx context.Context, e *embedder) (*space, error) {
	if e.model == "" {
		e.model = s.cfg.Model
	}
	if e.model == "" {
		_, model, err := e.embed(ctx, probe(), tasks.EmbedParams{})
		if err != nil {
			return nil, err
		}
		e.model = model
	}
	hash, err := s.digest(e.model)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	key := (&space{model: e.model, hash: hash, captions: e.captions}).key()
	sp := s.spaces[key]
	if sp == nil {
		sp = &space{model: e.model, hash: hash, captions: e.captions, one: make(chan struct{}, 1), background: make(map[int][]vector)}
		s.spaces[key] = sp
	}
	s.mu.Unlock()
	if e.captions { // vectors of texts are not standardised, so those of sounds must not be
		return sp, sp.measure(ctx, e)
	}
	_, err = s.backgroundOf(ctx, e, sp, []int{unrelated})
	return sp, err
}

// measure sets the length of the vectors.
func (sp *space) measure(ctx context.Context, e *embedder) error {
	sp.mu.Lock()
	known := sp.known
	sp.mu.Unlock()
	if known {
		return nil
	}
	v, err := e.clip(ctx, probe())
	if err != nil {
		return err
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.known, sp.dims = true, len(v)
	return nil
}

// backgroundOf returns the windows of the cohort in a space, of the given lengths.
func (s *Service) backgroundOf(ctx context.Context, e *embedder, sp *space, numbers []int) ([]vector, error) {
	select {
	case sp.one <- struct{}{}:
		defer func() { <-sp.one }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	sp.mu.Lock()
	var missing []int
	lists := make(map[int][]vector) // they may be dropped meanwhile
	for _, n := range numbers {
		if lists[n] = sp.background[n]; lists[n] == nil {
			missing = append(missing, n)
		}
	}
	known := sp.known
	if sp.resident != nil {
		sp.resident.Touch()
	}
	sp.mu.Unlock()
	if len(missing) > 0 {
		tracks, err := embedCohort(ctx, e, missing)
		if err != nil {
			return nil, err
		}
		if !known {
			if err := sp.survey(tracks[missing[0]].vectors); err != nil {
				return nil, err
			}
		}
		sp.mu.Lock()
		for n, t := range tracks {
			for i, v := range t.vectors {
				t.vectors[i] = sp.place(v)
			}
			sp.background[n], lists[n] = t.vectors, t.vectors
		}
		sp.mu.Unlock()
		s.book(ctx, sp)
	}
	var all []vector
	for _, n := range numbers {
		all = append(all, lists[n]...)
	}
	return all, nil
}

// embedCohort returns windows of the cohort.
func embedCohort(ctx context.Context, e *embedder, numbers []int) (map[int]track, error) {
	whole := otherSound()
	joined := make(map[int]track)
	const piece = 30 * cohortRate
	for at := 0; at < len(whole.samples); at += piece {
		part := sound{samples: whole.samples[at:min(len(whole.samples), at+piece)], rate: whole.rate}
		if part.seconds() < windowLength(windowLengths-1) {
			break
		}
		tracks, err := e.sparse(ctx, part, numbers, cohortStep)
		if err != nil {
			return nil, err
		}
		for n, t := range tracks {
			whole := joined[n]
			whole.hop, whole.length = t.hop, t.length
			whole.vectors = append(whole.vectors, t.vectors...)
			joined[n] = whole
		}
	}
	return joined, nil
}

// survey sets how vectors are compared, from those of unrelated sounds.
func (sp *space) survey(list []vector) error {
	if len(list) == 0 || len(list[0]) == 0 {
		return services.Internal(fmt.Errorf("model %s returned no vectors", sp.model), "the sound could not be embedded")
	}
	units := make([]vector, len(list))
	for i, v := range list {
		units[i] = unit(v)
	}
	centre := meanOf(units)
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.known, sp.dims = true, len(list[0])
	if dot(centre, centre) <= crowded {
		return nil
	}
	sp.mean, sp.inverse = meanOf(list), make(vector, sp.dims)
	for i := range sp.inverse {
		var squares float64
		for _, v := range list {
			d := float64(v[i] - sp.mean[i])
			squares += d * d
		}
		sp.inverse[i] = float32(1 / (math.Sqrt(squares/float64(len(list))) + 1e-5))
	}
	return nil
}

// book reserves the memory of the background. If it is needed, the background is dropped
// and embedded again for the next task.
func (s *Service) book(ctx context.Context, sp *space) {
	if s.deps.Residency == nil {
		return
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var bytes services.Bytes
	for _, list := range sp.background {
		bytes += services.Bytes(len(list) * (4*sp.dims + 24))
	}
	if sp.resident != nil {
		sp.resident.Release()
	}
	sp.resident = s.deps.Residency.Hold(ctx, Name, "background/"+sp.model, bytes, func(context.Context) error {
		sp.free()
		return nil
	})
}

// free drops the background.
func (sp *space) free() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	clear(sp.background)
	if sp.resident != nil {
		sp.resident.Release()
		sp.resident = nil
	}
}
