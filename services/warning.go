package services

import "slices"

// WarningCode is one of a closed set of codes that clients can handle.
type WarningCode string

// The codes. A warning means that the task was done, with a deviation from the request.
const (
	WarnTruncated       WarningCode = "truncated"        // the recording ends early; the available part was used
	WarnTrailingData    WarningCode = "trailing_data"    // the recording is followed by bytes that were ignored
	WarnUnknownField    WarningCode = "unknown_field"    // the request has an unknown field
	WarnValueIgnored    WarningCode = "value_ignored"    // a field had no effect
	WarnPromptCut       WarningCode = "prompt_cut"       // only a part of a prompt was used
	WarnSystemIgnored   WarningCode = "system_ignored"   // the model takes no system message
	WarnPriorityLowered WarningCode = "priority_lowered" // the caller is not allowed to use the priority
	WarnTurnsDropped    WarningCode = "turns_dropped"    // the oldest exchanges were dropped
	WarnLowConfidence   WarningCode = "low_confidence"   // the result is probably wrong
	WarnEstimatedTimes  WarningCode = "estimated_times"  // the times of words are not from the sound
	WarnUnknownPrompt   WarningCode = "unknown_prompt"   // the prompt has words unknown to the model, or names nothing it learnt
)

// WarningCodes returns every WarningCode.
func WarningCodes() []WarningCode {
	return []WarningCode{
		WarnTruncated, WarnTrailingData, WarnUnknownField, WarnValueIgnored, WarnPromptCut, WarnSystemIgnored, WarnPriorityLowered,
		WarnTurnsDropped, WarnLowConfidence, WarnEstimatedTimes, WarnUnknownPrompt,
	}
}

// Warning reports one deviation from the request.
type Warning struct {
	Code WarningCode `json:"code"`
	// Message is a human-readable sentence.
	Message string `json:"message"`
	// Field of the request concerned, named as in FieldError; empty if there is none.
	Field string `json:"field,omitempty"`
}

// AddWarning appends w unless the list has a warning with the same code and field, so
// that recurring conditions in a long task are reported once.
func AddWarning(list []Warning, w Warning) []Warning {
	if slices.ContainsFunc(list, func(known Warning) bool { return known.Code == w.Code && known.Field == w.Field }) {
		return list
	}
	return append(list, w)
}
