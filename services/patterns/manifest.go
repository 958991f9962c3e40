package patterns

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/patterns/index"
)

const (
	manifestKind = "vectors"
	// segmentPrefix begins the names of objects with spans of recordings.
	segmentPrefix = "vectors-"
	// mostSegments is the number of segments above which they are joined, and joinedVectors
	// the number of vectors of a joined one.
	mostSegments, joinedVectors = 256, 100_000
)

// manifest lists the segments with the spans of one owner's recordings in one space.
type manifest struct {
	records.Meta `json:"-"`
	Model        string `json:"model"`
	Hash         string `json:"hash"`
	Dimensions   int    `json:"dimensions"`
	// Captions is set for the space that sounds share with texts.
	Captions bool `json:"captions,omitempty"`
	// Epoch is another one after the segments have been joined.
	Epoch    int       `json:"epoch"`
	Segments []segment `json:"segments"`
}

// segment is an object with vectors, or the removal of a recording from those before it.
type segment struct {
	Object  string `json:"object,omitempty"`
	Vectors int    `json:"vectors,omitempty"`
	Removed string `json:"removed,omitempty"`
}

func manifestRecords() records.Kind[manifest] {
	return records.Kind[manifest]{
		Name: manifestKind,
		Meta: func(m manifest) records.Meta { return m.Meta },
		With: func(m manifest, meta records.Meta) manifest { m.Meta = meta; return m },
		Objects: func(m manifest) (names []string) {
			for _, one := range m.Segments {
				if one.Object != "" {
					names = append(names, one.Object)
				}
			}
			return names
		},
	}
}

// manifestID returns the id of an owner's manifest in a space.
func manifestID(owner, space string) string {
	sum := sha256.Sum256([]byte(owner + "\x00" + space))
	return hex.EncodeToString(sum[:16])
}

// loaded is an index in memory.
type loaded struct {
	// one is held by the task that uses or changes the fields below.
	one chan struct{}
	x   *index.Index
	// epoch and done say what of the manifest is in the index.
	epoch, done int
	resident    services.Resident
}

func (l *loaded) lock(ctx context.Context) error {
	select {
	case l.one <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *loaded) unlock() { <-l.one }

// close frees the index. The caller holds the lock, or nothing else uses it.
func (l *loaded) close() error {
	if l.resident != nil {
		l.resident.Release()
		l.resident = nil
	}
	x := l.x
	l.x, l.epoch, l.done = nil, 0, 0
	if x == nil {
		return nil
	}
	return x.Close()
}

// withIndex calls use with the index of an owner's recordings in a space, as the store has
// it: what any process has added before is in it.
func (s *Service) withIndex(ctx context.Context, owner string, sp *space, use func(x *index.Index) error) error {
	id := manifestID(owner, sp.key())
	m, err := s.manifests.Load(ctx, id)
	if errors.Is(err, records.ErrMissing) {
		m, err = manifest{Dimensions: sp.dims}, nil
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	l := s.indexes[id]
	if l == nil {
		l = &loaded{one: make(chan struct{}, 1)}
		s.indexes[id] = l
	}
	s.mu.Unlock()
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if err := s.catchUp(ctx, l, m); err != nil {
		return errors.Join(err, l.close()) // it is read again for the next task
	}
	return use(l.x)
}

// catchUp brings an index up to a manifest.
func (s *Service) catchUp(ctx context.Context, l *loaded, m manifest) error {
	if l.x != nil && (l.epoch != m.Epoch || l.done > len(m.Segments)) {
		if err := l.close(); err != nil {
			return services.Internal(err, "an index could not be read")
		}
	}
	if l.x == nil {
		x, err := index.New(m.Dimensions, s.deps.Spool)
		if err != nil {
			return services.Internal(err, "an index could not be made")
		}
		l.x, l.epoch, l.done = x, m.Epoch, 0
	}
	before := l.done
	s.bookIndex(ctx, l, m)
	for ; l.done < len(m.Segments); l.done++ {
		one := m.Segments[l.done]
		if one.Removed != "" {
			l.x.Remove(one.Removed)
			continue
		}
		read, err := s.readSegment(ctx, one.Object)
		if err == nil {
			err = l.x.Add(read.Labels, read.Vectors)
		}
		if err != nil {
			return services.Internal(err, "an index could not be read")
		}
	}
	if l.resident != nil && before == l.done {
		l.resident.Touch()
	}
	return nil
}

func (s *Service) readSegment(ctx context.Context, name string) (index.Segment, error) {
	object, err := s.db.Store().Object(ctx, name)
	if err != nil {
		return index.Segment{}, err
	}
	defer object.Close()
	return index.ReadSegment(object)
}

// bookIndex reserves the memory of an index. If it is needed, the index is dropped unless a
// task uses it.
func (s *Service) bookIndex(ctx context.Context, l *loaded, m manifest) {
	vectors := 0
	for _, one := range m.Segments {
		vectors += one.Vectors
	}
	if s.deps.Residency == nil || l.done == len(m.Segments) && l.resident != nil {
		return
	}
	if l.resident != nil {
		l.resident.Release()
	}
	bytes := services.Bytes(index.Bytes(m.Dimensions, vectors))
	l.resident = s.deps.Residency.Hold(ctx, Name, "index/"+m.ID, bytes, func(context.Context) error {
		select {
		case l.one <- struct{}{}:
			defer l.unlock()
			return l.close()
		default:
			return services.ErrInUse
		}
	})
}

// insert adds spans of an owner's recordings to the index in a space. They are durable when
// it returns.
func (s *Service) insert(ctx context.Context, owner string, sp *space, spans index.Segment) error {
	name := segmentPrefix + strings.ToLower(rand.Text())
	if err := s.putSegment(ctx, name, spans); err != nil {
		return err
	}
	m, err := s.editManifest(ctx, owner, sp, func(m *manifest) {
		m.Segments = append(m.Segments, segment{Object: name, Vectors: len(spans.Vectors)})
	})
	if err != nil {
		s.dropObject(ctx, name)
		return err
	}
	s.landed(name)
	if len(m.Segments) > mostSegments {
		return s.join(ctx, m)
	}
	return nil
}

// remove removes recordings from the index of an owner in a space.
func (s *Service) remove(ctx context.Context, owner string, sp *space, recordings []string) error {
	_, err := s.editManifest(ctx, owner, sp, func(m *manifest) {
		for _, id := range recordings {
			m.Segments = append(m.Segments, segment{Removed: id})
		}
	})
	return err
}

// editManifest changes the manifest of an owner in a space, which is created if it does not
// exist.
func (s *Service) editManifest(ctx context.Context, owner string, sp *space, change func(*manifest)) (manifest, error) {
	id := manifestID(owner, sp.key())
	for {
		m, err := s.manifests.Edit(ctx, id, func(m *manifest) (bool, error) { change(m); return true, nil })
		if !errors.Is(err, records.ErrMissing) {
			return m, err
		}
		m = manifest{Model: sp.model, Hash: sp.hash, Dimensions: sp.dims, Captions: sp.captions}
		m.ID, m.Owner, m.Created = id, owner, now()
		change(&m)
		created, err := s.manifests.Create(ctx, m)
		if !errors.Is(err, records.ErrExists) {
			return created, err
		}
	}
}

// join replaces the segments of a manifest by a few large ones, without the vectors of
// recordings that were removed.
func (s *Service) join(ctx context.Context, m manifest) error {
	var joined []segment
	part := index.Segment{Dimensions: m.Dimensions}
	flush := func() error {
		if len(part.Vectors) == 0 {
			return nil
		}
		name := segmentPrefix + strings.ToLower(rand.Text())
		if err := s.putSegment(ctx, name, part); err != nil {
			return err
		}
		joined = append(joined, segment{Object: name, Vectors: len(part.Vectors)})
		part = index.Segment{Dimensions: m.Dimensions}
		return nil
	}
	for i, one := range m.Segments {
		if one.Object == "" {
			continue
		}
		read, err := s.readSegment(ctx, one.Object)
		if err != nil {
			return services.Internal(err, "an index could not be read")
		}
		for j, l := range read.Labels {
			if slices.ContainsFunc(m.Segments[i:], func(later segment) bool { return later.Removed == l.Source }) {
				continue
			}
			part.Labels, part.Vectors = append(part.Labels, l), append(part.Vectors, read.Vectors[j])
		}
		if len(part.Vectors) >= joinedVectors {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return s.replaceSegments(ctx, m, joined)
}

// replaceSegments writes the joined segments of a manifest, with those that were added
// meanwhile, and deletes the old ones. If another process was faster, the joined ones are
// deleted.
func (s *Service) replaceSegments(ctx context.Context, m manifest, joined []segment) error {
	won := false
	_, err := s.manifests.Edit(ctx, m.ID, func(latest *manifest) (bool, error) {
		won = latest.Epoch == m.Epoch && len(latest.Segments) >= len(m.Segments)
		if won {
			latest.Segments = append(slices.Clone(joined), latest.Segments[len(m.Segments):]...)
			latest.Epoch++
		}
		return won, nil
	})
	old := m.Segments
	if err != nil || !won {
		old = joined
	}
	for _, one := range joined {
		s.landed(one.Object)
	}
	for _, one := range old {
		if one.Object != "" {
			s.dropObject(ctx, one.Object)
		}
	}
	return err
}
