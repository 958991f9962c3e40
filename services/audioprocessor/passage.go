package audioprocessor

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// passage reads a part of a recording.
type passage struct {
	// first frame, and the one after the end.
	first, end int64
	write      func(interleaved []float32) error
	// doing is the stage of the task.
	doing string
}

// read streams the recording, to its end unless the part ends before. Frames before the
// part are decoded and dropped.
func (p passage) read(ctx context.Context, reader *audiofile.Reader, sink services.Sink) error {
	format := reader.Format()
	channels := int64(format.Channels)
	block := make([]float32, blockFrames*channels)
	var read int64
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", p.doing, err)
		}
		if n%yieldBlocks == yieldBlocks-1 {
			if err := services.Yield(ctx); err != nil {
				return fmt.Errorf("%s: %w", p.doing, err)
			}
		}
		frames, err := reader.ReadFrames(block)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return fmt.Errorf("read audio: %w", err)
		}
		from, to := max(0, p.first-read), min(int64(frames), p.end-read)
		if from < to {
			if err := p.write(block[from*channels : to*channels]); err != nil {
				return fmt.Errorf("%s: %w", p.doing, err)
			}
		}
		read += int64(frames)
		if end || read >= p.end && p.end < format.Frames {
			return nil
		}
		sink.Progress(min(1, float64(read)/float64(format.Frames)), p.doing)
	}
}

// readTwice calls use with a recording and its format with the number of frames that it has.
// Where its header has an estimate, count reads it first. Where its header was wrong, use is
// called a second time.
func (s *Service) readTwice(audio services.AudioSource, strict bool,
	use func(reader *audiofile.Reader, known audiofile.Format) error, count func(reader *audiofile.Reader) error,
) error {
	format, guessed, err := s.readOnce(audio, strict, func(reader *audiofile.Reader) error {
		if reader.Format().Guessed {
			return count(reader)
		}
		return use(reader, reader.Format())
	})
	if err != nil || !guessed && format.Frames == format.before {
		return err
	}
	_, _, err = s.readOnce(audio, strict, func(reader *audiofile.Reader) error { return use(reader, format.Format) })
	return err
}

// readFormat is a format after the end was read, and the number of frames before.
type readFormat struct {
	audiofile.Format
	before int64
}

// readOnce opens a recording for use. It returns its format at the end, and whether its
// length was an estimate.
func (s *Service) readOnce(audio services.AudioSource, strict bool, use func(*audiofile.Reader) error,
) (_ readFormat, guessed bool, err error) {
	file, reader, err := s.openAudio(audio, services.Reading{Strict: strict})
	if err != nil {
		return readFormat{}, false, err
	}
	defer func() { err = errors.Join(err, reader.Close(), file.Close()) }()
	before := reader.Format()
	err = use(reader)
	return readFormat{reader.Format(), before.Frames}, before.Guessed, err
}
