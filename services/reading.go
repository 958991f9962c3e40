package services

// Reading selects the part of a recording that a task uses. A result has the times of
// that part, which begin at 0.
type Reading struct {
	// Strict rejects a recording that is cut short, which is otherwise used up to its
	// end with a warning.
	Strict bool `json:"strict,omitempty"`
	// Start and End are in seconds of the recording; an End of 0, or beyond the end of
	// the recording, is its end.
	Start float64 `json:"start,omitempty"`
	End   float64 `json:"end,omitempty"`
}
