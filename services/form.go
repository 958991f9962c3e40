package services

import "encoding/json"

// Form is one representation of a result besides JSON.
type Form struct {
	// Name is how clients request it, such as "srt".
	Name string
	// ContentType is the HTTP Content-Type.
	ContentType string
	// Encode returns the result in this form.
	Encode func() ([]byte, error)
}

// Formed is implemented by results that have representations besides JSON.
type Formed interface {
	// Forms returns them. They are the same for every result of the type.
	Forms() []Form
}

// FormedFor is implemented by results whose representations besides JSON depend on the
// parameters of the task.
type FormedFor interface {
	// FormsFor returns them for the given parameters, also of an empty result. first reports
	// whether they come before JSON for a client that accepts both.
	FormsFor(params json.RawMessage) (forms []Form, first bool)
}

// FormsOf returns the representations of a result besides JSON. first reports whether they
// come before JSON for a client that accepts both.
func FormsOf(value any, params json.RawMessage) (forms []Form, first bool) {
	switch formed := value.(type) {
	case FormedFor:
		return formed.FormsFor(params)
	case Formed:
		return formed.Forms(), false
	}
	return nil, false
}

// Tailored is implemented by results whose JSON depends on the parameters of the task.
type Tailored interface {
	// Tailor returns the JSON for the given parameters, or nil to use the default
	// encoding.
	Tailor(params json.RawMessage) ([]byte, error)
}
