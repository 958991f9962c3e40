package services

import "slices"

// WarningCode is one of a closed set of codes, so that a client can act on it.
type WarningCode string

// Every code. A warning says that a task was done, but not quite as it was asked for.
const (
	WarnTruncated       WarningCode = "truncated"        // the recording ends early; what is there was used
	WarnTrailingData    WarningCode = "trailing_data"    // the recording is followed by bytes that were not used
	WarnUnknownField    WarningCode = "unknown_field"    // the request has a field that is not known
	WarnValueIgnored    WarningCode = "value_ignored"    // a field had no effect
	WarnPromptCut       WarningCode = "prompt_cut"       // only the beginning of a prompt was used
	WarnSystemIgnored   WarningCode = "system_ignored"   // the model takes no system message
	WarnPriorityLowered WarningCode = "priority_lowered" // the caller may not use the priority
	WarnTurnsDropped    WarningCode = "turns_dropped"    // the oldest exchanges were left out
	WarnLowConfidence   WarningCode = "low_confidence"   // the result is probably wrong
	WarnUnknownPrompt   WarningCode = "unknown_prompt"   // the prompt has words that the model does not know
)

// WarningCodes lists every WarningCode.
func WarningCodes() []WarningCode {
	return []WarningCode{
		WarnTruncated, WarnTrailingData, WarnUnknownField, WarnValueIgnored, WarnPromptCut, WarnSystemIgnored, WarnPriorityLowered,
		WarnTurnsDropped, WarnLowConfidence, WarnUnknownPrompt,
	}
}

// Warning reports one way in which a task was done differently from what was asked for.
type Warning struct {
	Code WarningCode `json:"code"`
	// Message is a sentence for a person.
	Message string `json:"message"`
	// Field of the request that it is about, as FieldError has it; empty for none.
	Field string `json:"field,omitempty"`
}

// AddWarning appends a warning unless the list has one of the same code and field: what
// happens again and again in a long task is reported once.
func AddWarning(list []Warning, w Warning) []Warning {
	if slices.ContainsFunc(list, func(known Warning) bool { return known.Code == w.Code && known.Field == w.Field }) {
		return list
	}
	return append(list, w)
}
