package wav2vec2

import (
	"errors"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// blockFrames is the number of frames decoded at a time.
const blockFrames = 8192

// openAudio reads the header of the task's audio and checks its length. Without windows
// the limit is that of one run. The caller closes the closer.
func (s *Service) openAudio(source services.AudioSource, window float64, reading services.Reading) (*audiofile.Reader, io.Closer, error) {
	if source == nil {
		return nil, nil, services.Invalidf("file", "is missing; send the audio as form field file")
	}
	file, err := source.Open()
	if err != nil {
		return nil, nil, services.Unreadable(err)
	}
	limits := s.cfg.Audio.Of(reading)
	seconds := s.cfg.MaxSeconds
	if window == 0 {
		seconds = min(seconds, longestRun)
	}
	limits.MaxDuration = min(limits.MaxDuration, time.Duration(seconds*float64(time.Second)))
	reader, err := audiofile.Open(file, source.Size(), limits)
	if err != nil {
		return nil, nil, joinClose(err, file)
	}
	return reader, audioCloser{reader, file}, nil
}

// audioCloser closes a decoder and then its file.
type audioCloser struct {
	reader *audiofile.Reader
	file   io.Closer
}

// Close implements io.Closer.
func (c audioCloser) Close() error { return errors.Join(c.reader.Close(), c.file.Close()) }

// joinClose closes c after an error and joins the errors.
func joinClose(err error, closer io.Closer) error { return errors.Join(err, closer.Close()) }
