package services

// Caller is on whose behalf something is done. The zero value sees only what was
// made where no keys are asked for.
type Caller struct {
	// Key is the id of the API key, empty where none are asked for.
	Key string `json:"key,omitempty"`
	// All lets it see what belongs to others: an admin, and everybody where no keys
	// are asked for.
	All bool `json:"all,omitempty"`
}

// Sees tells whether the caller may know of what belongs to a key.
func (c Caller) Sees(owner string) bool { return c.All || c.Key == owner }
