package services

// TaskTranscribe turns speech into text: params TranscribeParams, result
// *Transcription.
const TaskTranscribe = "transcribe"

// TranscribeParams are the parameters of TaskTranscribe.
type TranscribeParams struct {
	// Language of the speech, for the answer only: a CTC model knows the
	// language it was trained on and no other.
	Language string `json:"language,omitempty"`
}

// Transcription is the result of TaskTranscribe.
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
