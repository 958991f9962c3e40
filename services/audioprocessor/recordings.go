package audioprocessor

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/editing"
)

// opener returns the function by which operations open stored recordings of the caller;
// nil where none are stored.
func (e *editTask) opener(ctx context.Context, r *running) func(id string) (editing.Source, error) {
	stored := e.service.recordings
	if stored == nil {
		return nil
	}
	return func(id string) (editing.Source, error) {
		audio, release, err := stored.StoredAudio(ctx, e.caller, id)
		if err != nil {
			return nil, err
		}
		file, reader, err := e.service.openAudio(audio, services.Reading{Strict: e.params.Strict})
		if err != nil {
			release()
			return nil, errors.Join(storeErr(audio), err)
		}
		return &storedSound{id: id, audio: audio, file: file, reader: reader, release: release, running: r}, nil
	}
}

// storedSound is an open stored recording. It implements editing.Source.
type storedSound struct {
	id      string
	audio   services.AudioSource
	file    io.Closer
	reader  *audiofile.Reader
	release func()
	running *running
}

func (s *storedSound) Format() editing.Format { return editingFormat(s.reader.Format()) }

// editingFormat returns the format of a recording as operations know it.
func editingFormat(f audiofile.Format) editing.Format {
	return editing.Format{SampleRateHz: f.SampleRateHz, Channels: f.Channels, Frames: float64(f.Frames), Shorter: f.Guessed}
}

func (s *storedSound) ReadFrames(dst []float32) (int, error) {
	n, err := s.reader.ReadFrames(dst)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errors.Join(storeErr(s.audio), err)
	}
	return n, err
}

func (s *storedSound) Bytes() int64 {
	if s.reader.Format().Container == "ffmpeg" {
		return int64(ffmpegBytes)
	}
	return int64(decoderBytes)
}

func (s *storedSound) Close() error {
	for _, w := range s.reader.Warnings() {
		w.Field, w.Message = "operations", "stored recording "+s.id+": "+w.Message
		if !slices.Contains(s.running.warnings, w) {
			s.running.warnings = append(s.running.warnings, w)
		}
	}
	err := errors.Join(s.reader.Close(), s.file.Close())
	s.release()
	return err
}

// storeErr returns the fault of the store that reading a recording encountered, which a
// decoder may have mistaken for a damaged file.
func storeErr(audio services.AudioSource) error {
	if source, ok := audio.(interface{ Err() error }); ok {
		return source.Err()
	}
	return nil
}

// recordingFault names the recording in the request that cannot be used. Faults of the
// store, and the end of the context, stay as they are.
func recordingFault(err *editing.RecordingError) error {
	var fault *services.Fault
	if !errors.As(err.Err, &fault) {
		return err
	}
	switch fault.Kind {
	case services.KindInvalid, services.KindUnsupported, services.KindNotFound, services.KindTooLarge:
	default:
		return err.Err
	}
	problem := fault.Message
	if len(fault.Fields) > 0 {
		problem = fault.Fields[0].Problem
	}
	return &services.Fault{Kind: fault.Kind, Err: err.Err, Fields: []services.FieldError{{Field: err.Field, Problem: problem}}}
}
