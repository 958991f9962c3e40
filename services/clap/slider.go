package clap

import "context"

// slider cuts a sequence that arrives in pieces into windows of several lengths at once. It
// holds what the longest window needs. A unit of the sequence has a number of values.
type slider struct {
	width  int
	tracks []*track
	// units has those from number base on; total is the number of all so far.
	units       []float32
	base, total int
}

// track has the windows of one length.
type track struct {
	// window and hop are numbers of units.
	window, hop int
	// rest makes what follows the last whole window a window of its own. Otherwise a
	// sequence shorter than one window is the only window.
	rest bool
	// take receives each window in order. It must not retain the units.
	take func(ctx context.Context, units []float32) error
	// flush is called after the last window; nil if there is nothing to do.
	flush func(ctx context.Context) error

	next, taken int
}

// add processes further units.
func (s *slider) add(ctx context.Context, values []float32) error {
	s.units = append(s.units, values...)
	s.total += len(values) / s.width
	needed := s.total
	for _, t := range s.tracks {
		for t.next+t.window <= s.total {
			if err := s.cut(ctx, t, t.next+t.window); err != nil {
				return err
			}
		}
		needed = min(needed, t.next)
	}
	s.units = s.units[:copy(s.units, s.units[(needed-s.base)*s.width:])]
	s.base = needed
	return nil
}

// end processes what remains.
func (s *slider) end(ctx context.Context) error {
	for _, t := range s.tracks {
		if t.next < s.total && (t.rest || t.taken == 0) {
			if err := s.cut(ctx, t, s.total); err != nil {
				return err
			}
		}
		if t.flush != nil {
			if err := t.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut passes on the window of a track that ends at a unit.
func (s *slider) cut(ctx context.Context, t *track, end int) error {
	from := t.next
	t.next += t.hop
	t.taken++
	return t.take(ctx, s.units[(from-s.base)*s.width:(end-s.base)*s.width])
}
