package patterns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// ExportPatterns returns a function that writes patterns as JSON lines with their sounds.
// names are ids or names; none means all of the caller.
func (s *Service) ExportPatterns(ctx context.Context, caller services.Caller, names []string) (write func(w io.Writer) error, err error) {
	list, err := s.chosen(ctx, caller, names)
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		for _, p := range list {
			if err := s.export(ctx, caller, p, json.NewEncoder(w)); err != nil {
				return fmt.Errorf("export pattern %s: %w", p.ID, err)
			}
		}
		return nil
	}, nil
}

// export writes the lines of one pattern.
func (s *Service) export(ctx context.Context, caller services.Caller, p pattern, out *json.Encoder) error {
	caller = services.Caller{Key: p.Owner, All: caller.All}
	err := out.Encode(line{
		Schema: transferSchema, Type: linePattern, Name: p.Name, Metadata: p.Metadata, Model: p.Model, ModelHash: p.Hash,
	})
	if err != nil {
		return err
	}
	for _, list := range []struct {
		spans   []tasks.PatternExample
		counter bool
	}{{p.Examples, false}, {p.Counters, true}} {
		for _, one := range list.spans {
			audio, _, end, err := s.excerpt(ctx, caller, one.StoredSpan, 0)
			if err != nil {
				return err
			}
			if err := out.Encode(line{Type: lineExample, Counter: list.counter, End: end, Audio: audio}); err != nil {
				return err
			}
		}
	}
	for _, slim := range s.feedback.Select(mostFeedback, func(f feedback) bool { return f.Pattern == p.ID }) {
		f, err := s.feedback.Load(ctx, slim.ID)
		if errors.Is(err, records.ErrMissing) {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.exportFeedback(ctx, caller, f, out); err != nil {
			return err
		}
	}
	return nil
}

// exportFeedback writes a correction with the sound about it.
func (s *Service) exportFeedback(ctx context.Context, caller services.Caller, f feedback, out *json.Encoder) error {
	whole := f.StoredSpan
	if f.NewStart != nil && f.NewEnd != nil {
		whole.Start, whole.End = min(whole.Start, *f.NewStart), max(whole.End, *f.NewEnd)
	}
	audio, from, _, err := s.excerpt(ctx, caller, whole, margin)
	if err != nil {
		return err
	}
	one := line{Type: lineFeedback, Verdict: f.Verdict, Start: round(f.Start - from), End: round(f.End - from), Audio: audio}
	if f.NewStart != nil && f.NewEnd != nil {
		one.NewStart, one.NewEnd = new(round(*f.NewStart-from)), new(round(*f.NewEnd-from))
	}
	return out.Encode(one)
}

// excerpt returns a span of a recording with some seconds on both sides as a FLAC file, the
// time at which it begins, and its length.
func (s *Service) excerpt(ctx context.Context, caller services.Caller, span tasks.StoredSpan, around float64,
) (flac []byte, from, seconds float64, err error) {
	held, err := s.hold(ctx, caller, []string{span.AudioID}, numbered("recordings", ""))
	if err != nil {
		return nil, 0, 0, err
	}
	defer releaseAll(held)
	d, err := decode(held[0].source, s.deps.Audio)
	if err != nil {
		return nil, 0, 0, err
	}
	defer d.close()
	from = max(0, span.Start-around)
	clip, err := readSpan(ctx, d, from, span.End+around, 3*longestExample+2*around)
	if err != nil {
		return nil, 0, 0, err
	}
	flac, err = s.encode(ctx, clip)
	return flac, from, round(clip.seconds()), err
}

// encode returns sound as a FLAC file.
func (s *Service) encode(ctx context.Context, clip sound) (_ []byte, err error) {
	file, err := os.CreateTemp(s.deps.Spool, "export-*")
	if err != nil {
		return nil, services.Internal(err, "the sound could not be encoded")
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	out, err := audiofile.NewWriter(ctx, file, audiofile.Output{
		Container: audiofile.FLAC, Depth: audiofile.Depth16, SampleRateHz: clip.rate, Channels: 1,
	})
	if err == nil {
		err = out.WriteFrames(clip.samples)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return nil, services.Internal(err, "the sound could not be encoded")
	}
	return os.ReadFile(file.Name())
}
