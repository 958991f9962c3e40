package tasks

import "github.com/grym-synth/grym-synth/services"

// Convert re-encodes a recording. Its parameters are ConvertParams, its result is
// *Conversion, and the sound is TaskResult.Audio.
const Convert = "convert"

// ConvertParams are the parameters of Convert.
type ConvertParams struct {
	// Container is wav, flac, pcm, mp3, opus, ogg or aac; empty for wav. ffmpeg writes the
	// last four.
	Container string `json:"container,omitempty"`
	// SampleRateHz is 8000 to 192000; 0 keeps the recording's rate, or takes the next one
	// that the container has.
	SampleRateHz int `json:"sample_rate,omitempty"`
	// Channels is 1, 2 or the recording's number of channels; 0 keeps the recording's.
	Channels int `json:"channels,omitempty"`
	// BitDepth is 16, 24, 32 or float; empty for 16. What ffmpeg writes has none.
	BitDepth string `json:"bit_depth,omitempty"`
	services.Reading
}

// Conversion is the result of Convert.
type Conversion struct {
	Source SoundFormat `json:"source"`
	Output SoundFormat `json:"output"`
}

// SoundFormat describes the format of an audio file.
type SoundFormat struct {
	Container       string  `json:"container"`
	Encoding        string  `json:"encoding"`
	SampleRateHz    int     `json:"sample_rate"`
	Channels        int     `json:"channels"`
	DurationSeconds float64 `json:"duration"`
}
