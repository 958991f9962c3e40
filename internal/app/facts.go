package app

import (
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// soundTypes are the content types of the containers that are decoded natively.
var soundTypes = map[string]string{
	"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg", "webm": "audio/webm",
}

// factsOf implements library.Probe. It reads headers only; a file that cannot be decoded
// natively has no facts.
func factsOf(source services.AudioSource) (facts library.Facts, contentType string) {
	file, err := source.Open()
	if err != nil {
		return library.Facts{}, ""
	}
	defer file.Close()
	reader, err := audiofile.Open(file, source.Size(), audiofile.Limits{})
	if err != nil {
		return library.Facts{}, ""
	}
	defer func() { _ = reader.Close() }() // it was only read
	format := reader.Format()
	facts = library.Facts{SampleRate: format.SampleRateHz, Channels: format.Channels}
	if !format.Guessed {
		facts.Duration = format.Duration().Seconds()
	}
	return facts, soundTypes[format.Container]
}
