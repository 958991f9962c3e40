package tasks

// Convert writes a recording anew: params ConvertParams, result
// *Conversion and the sound as TaskResult.Audio.
const Convert = "convert"

// ConvertParams are the parameters of Convert.
type ConvertParams struct {
	// Container is wav, flac or pcm; empty for wav.
	Container string `json:"container,omitempty"`
	// SampleRateHz from 8000 to 192000; 0 for the recording's.
	SampleRateHz int `json:"sample_rate,omitempty"`
	// Channels is 1, 2 or the recording's number; 0 for the recording's.
	Channels int `json:"channels,omitempty"`
	// BitDepth is 16, 24, 32 or float; empty for 16.
	BitDepth string `json:"bit_depth,omitempty"`
}

// Conversion is the result of Convert: what was read, and what was written.
type Conversion struct {
	Source SoundFormat `json:"source"`
	Output SoundFormat `json:"output"`
}

// SoundFormat describes a file of sound.
type SoundFormat struct {
	Container       string  `json:"container"`
	Encoding        string  `json:"encoding"`
	SampleRateHz    int     `json:"sample_rate"`
	Channels        int     `json:"channels"`
	DurationSeconds float64 `json:"duration"`
}
