package tasks

import "time"

// Teach makes a pattern from examples of a sound. Its parameters are TeachParams and its
// result is *Pattern.
const Teach = "teach"

// Correct fits a pattern to judgements of its detections. Its parameters are CorrectParams and
// its result is *Correction.
const Correct = "correct"

// Reembed computes the vectors of patterns anew, for another model or a changed one. Its
// parameters are ReembedParams and its result is *Reembedded.
const Reembed = "reembed"

// ImportPatterns adds patterns from a file as the export of patterns writes it. Its
// parameters are ImportParams and its result is *Imported.
const ImportPatterns = "import_patterns"

// StoredSpan is a span of a stored recording in seconds. Without an end it is that of the
// recording.
type StoredSpan struct {
	AudioID string  `json:"audio_id"`
	Start   float64 `json:"start"`
	End     float64 `json:"end,omitempty"`
}

// TeachParams are the parameters of Teach.
type TeachParams struct {
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// Examples sound as the pattern should, CounterExamples similar but different.
	Examples        []StoredSpan `json:"examples"`
	CounterExamples []StoredSpan `json:"counter_examples,omitempty"`
}

// Pattern describes a sound that was learnt from examples.
type Pattern struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	// Model computed the vectors, and ModelHash is the SHA-256 of its files. Stale is set
	// if the model has other files now or is missing.
	Model      string `json:"model"`
	ModelHash  string `json:"model_hash"`
	Stale      bool   `json:"stale"`
	Dimensions int    `json:"dimensions"`
	// Examples and CounterExamples with their ids.
	Examples        []PatternExample `json:"examples"`
	CounterExamples []PatternExample `json:"counter_examples"`
	// Length is the median of the examples in seconds.
	Length    float64          `json:"length"`
	Threshold PatternThreshold `json:"threshold"`
	// SelfTest is nil under three examples.
	SelfTest *SelfTest `json:"self_test"`
	// Head is what scores sound: HeadPrototype or HeadLogistic.
	Head        string           `json:"head"`
	Corrections CorrectionCounts `json:"corrections"`
	// Advice are deficiencies that more examples or corrections mend.
	Advice  []string  `json:"advice"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Values of Pattern.Head.
const (
	// HeadPrototype compares with the mean of the examples.
	HeadPrototype = "prototype"
	// HeadLogistic is a logistic regression on examples and corrections.
	HeadLogistic = "logistic"
)

// PatternExample is an example of a pattern.
type PatternExample struct {
	ID string `json:"id"`
	StoredSpan
}

// PatternThreshold is the score from which sound is the pattern, and how it was derived.
// Scores of a prototype are cosines; those of a logistic head are logits.
type PatternThreshold struct {
	Value float64 `json:"value"`
	// Method is examples, copies, counter_examples or corrections.
	Method string `json:"method"`
	// ExamplesMean and ExamplesDeviation are of the scores of each example and its copies
	// by the other examples.
	ExamplesMean      float64 `json:"examples_mean"`
	ExamplesDeviation float64 `json:"examples_deviation"`
	// Copies is the number of degraded copies of each example.
	Copies int `json:"copies"`
	// Background is the score that 99.9 % of the windows of other sound stay below, and
	// BackgroundWindows their number.
	Background        float64 `json:"background"`
	BackgroundWindows int     `json:"background_windows"`
	// CounterExamples is the largest score of a counter-example; nil if there is none.
	CounterExamples *float64 `json:"counter_examples,omitempty"`
}

// SelfTest reports how a pattern that is learnt without one of its examples judges it.
type SelfTest struct {
	// Found of Examples that were left out in turn.
	Found    int `json:"found"`
	Examples int `json:"examples"`
	// CounterExamplesFound of CounterExamples, wrongly.
	CounterExamplesFound int `json:"counter_examples_found"`
	CounterExamples      int `json:"counter_examples"`
	// BackgroundFound of BackgroundWindows of other sound, wrongly, over all turns.
	BackgroundFound   int `json:"background_found"`
	BackgroundWindows int `json:"background_windows"`
}

// CorrectionCounts are the numbers of corrections by verdict.
type CorrectionCounts struct {
	Right int `json:"right"`
	Wrong int `json:"wrong"`
	Moved int `json:"moved"`
}

// Verdicts of corrections.
const (
	VerdictRight = "right"
	VerdictWrong = "wrong"
	VerdictMoved = "moved"
)

// CorrectParams are the parameters of Correct.
type CorrectParams struct {
	PatternID string     `json:"pattern_id"`
	Feedback  []Feedback `json:"feedback"`
	// DryRun reports what would change, and stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Feedback is what a span of a stored recording really is.
type Feedback struct {
	StoredSpan
	// Verdict is right, wrong or moved.
	Verdict string `json:"verdict"`
	// NewStart and NewEnd are the true edges of a moved span.
	NewStart *float64 `json:"new_start,omitempty"`
	NewEnd   *float64 `json:"new_end,omitempty"`
}

// Correction is the result of Correct.
type Correction struct {
	Pattern Pattern `json:"pattern"`
	DryRun  bool    `json:"dry_run"`
	// Before and After describe the head and its verdicts on all corrections so far.
	Before Judgement `json:"before"`
	After  Judgement `json:"after"`
	// Changed are the corrected spans whose verdict changes.
	Changed []ChangedVerdict `json:"changed"`
}

// Judgement is how well a head agrees with all corrections of a pattern.
type Judgement struct {
	Head      string  `json:"head"`
	Threshold float64 `json:"threshold"`
	// Accepted and Rejected count the right and wrong spans that are found and not found.
	RightFound  int `json:"right_found"`
	RightMissed int `json:"right_missed"`
	WrongFound  int `json:"wrong_found"`
	WrongMissed int `json:"wrong_missed"`
}

// ChangedVerdict is a corrected span that is found only before or only after.
type ChangedVerdict struct {
	StoredSpan
	Verdict string `json:"verdict"`
	Before  bool   `json:"before"`
	After   bool   `json:"after"`
}

// ReembedParams are the parameters of Reembed.
type ReembedParams struct {
	// Patterns are ids or names; empty for all.
	Patterns []string `json:"patterns,omitempty"`
}

// Reembedded is the result of Reembed.
type Reembedded struct {
	Model     string `json:"model"`
	ModelHash string `json:"model_hash"`
	// Patterns are those that were computed anew, Recordings the number of recordings
	// whose spans were.
	Patterns   []Pattern `json:"patterns"`
	Recordings int       `json:"recordings"`
}

// ImportParams are the parameters of ImportPatterns.
type ImportParams struct {
	// DryRun checks every line and stores nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Imported is the result of ImportPatterns.
type Imported struct {
	DryRun   bool      `json:"dry_run"`
	Patterns []Pattern `json:"patterns"`
	// Recordings is the number of recordings in the file.
	Recordings int `json:"recordings"`
}

// PatternRelations are the relations of a pattern with others, counted from the stored
// detections.
type PatternRelations struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Recordings with stored detections, and Detections of the pattern in them.
	Recordings int `json:"recordings"`
	Detections int `json:"detections"`
	// Within is the greatest gap in seconds between patterns that follow each other.
	Within float64 `json:"within"`
	// Relations with each pattern that is similar or was found in the same recordings, the
	// most frequent first.
	Relations []PatternRelation `json:"relations"`
}

// PatternRelation is the relation of a pattern with another one.
type PatternRelation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Similar is the cosine of the patterns; nil if their models differ.
	Similar *float64 `json:"similar"`
	// Follows counts how often the pattern begins soon after the other, and FollowedBy how
	// often the other begins soon after it.
	Follows    int `json:"follows"`
	FollowedBy int `json:"followed_by"`
	// Overlaps counts the detections that overlap one of the other.
	Overlaps int `json:"overlaps"`
}

// PatternPage is a part of a list of patterns, the newest first.
type PatternPage struct {
	Data []Pattern `json:"data"`
	Next string    `json:"next,omitempty"`
}

// PatternChange is a change of a pattern; nil leaves a field as it is. An empty text removes
// an entry of the metadata.
type PatternChange struct {
	Name     *string           `json:"name,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}
