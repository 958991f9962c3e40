package tasks

// Transcribe turns speech into text: params TranscribeParams, result
// *Transcription.
const Transcribe = "transcribe"

// TranscribeParams are the parameters of Transcribe.
type TranscribeParams struct {
	// Language of the speech, for the answer only: a CTC model knows the
	// language it was trained on and no other.
	Language string `json:"language,omitempty"`
	// WindowSeconds into which longer audio is cut, from 1 to 30; 0 takes the whole
	// in one run, of at most 30 s. Nil is DefaultWindowSeconds.
	WindowSeconds *float64 `json:"window_seconds,omitempty"`
	// Decoding is DecodingGreedy or DecodingBeam; empty for the beam search where a
	// word list stands beside the model or a prompt is given, else greedy.
	Decoding string `json:"decoding,omitempty"`
	// BeamWidth is how many texts the beam search keeps, from 1 to MaxBeamWidth; 0
	// for 100.
	BeamWidth int `json:"beam_width,omitempty"`
	// Prompt names words that the beam search prefers. At most MaxPromptBytes.
	Prompt string `json:"prompt,omitempty"`
	// Temperature has no effect, since nothing is drawn by chance; from 0 to 1.
	Temperature float64 `json:"temperature,omitempty"`
	// ResponseFormat is one of TranscriptFormats, and TimestampGranularities what
	// FormatVerbose tells the times of. They shape the answer, not the work: the
	// result of a job comes so where its reader names no other form.
	ResponseFormat         string   `json:"response_format,omitempty"`
	TimestampGranularities []string `json:"timestamp_granularities,omitempty"`
	// Stream hands every word over as a TranscriptDelta once it is complete.
	Stream bool `json:"stream,omitempty"`
}

// Values of TranscribeParams.Decoding.
const (
	DecodingGreedy = "greedy"
	DecodingBeam   = "beam"
)

// Limits of TranscribeParams.
const (
	MaxBeamWidth   = 1000
	MaxPromptBytes = 4096
)

// DefaultWindowSeconds is the window for long audio where none is asked for.
const DefaultWindowSeconds = 10

// Window gives the window in seconds that the parameters ask for.
func (p TranscribeParams) Window() float64 {
	if p.WindowSeconds == nil {
		return DefaultWindowSeconds
	}
	return *p.WindowSeconds
}

// TranscriptDelta is a piece of a transcription as it comes.
type TranscriptDelta struct {
	// Words that are complete, none of them told before.
	Words []Word `json:"words"`
}

// Transcription is the result of Transcribe.
type Transcription struct {
	// Text of the whole recording.
	Text string `json:"text"`
	// Language as asked for, empty where it was not.
	Language string `json:"language,omitempty"`
	// DurationSeconds of the recording.
	DurationSeconds float64 `json:"duration"`
	// Words in order, with their times.
	Words []Word `json:"words"`
}

// Word is one spoken word.
type Word struct {
	Text string `json:"word"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}
