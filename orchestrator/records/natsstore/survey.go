package natsstore

import (
	"context"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// Survey implements records.Surveyor. It reads the objects' descriptions and counts their
// pieces; it does not read these.
func (s *Store) Survey(ctx context.Context) (map[string]bool, error) {
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	whole := make(map[string]bool)
	var all []*described
	if err := l.eachObject(ctx, func(d *described) error {
		if !d.Deleted {
			all = append(all, d)
		}
		return nil
	}); err != nil {
		return nil, s.fault(l, err)
	}
	pieces, err := l.counts(ctx, l.pieceSubject("*"))
	if err != nil {
		return nil, s.fault(l, err)
	}
	for _, d := range all {
		whole[d.Name] = pieces[d.NUID] == uint64(d.Chunks)
	}
	return whole, nil
}

var _ records.Surveyor = (*Store)(nil)
