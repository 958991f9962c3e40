package services

// Caller identifies on whose behalf something is done. The zero value sees only records
// made without an API key.
type Caller struct {
	// Key is the id of the API key; it is empty if the server requires no keys.
	Key string `json:"key,omitempty"`
	// All makes the records of every owner visible. It is set for administrators, and
	// for everyone if the server requires no keys.
	All bool `json:"all,omitempty"`
	// Admin allows tasks that change the server for everybody. It is set for
	// administrators, and for everyone if the server requires no keys and is reachable
	// from its own machine only.
	Admin bool `json:"admin,omitempty"`
}

// Sees reports whether records of the owner are visible to the caller.
func (c Caller) Sees(owner string) bool { return c.All || c.Key == owner }
