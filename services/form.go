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

// Tailored is implemented by results whose JSON depends on the parameters of the task.
type Tailored interface {
	// Tailor returns the JSON for the given parameters, or nil to use the default
	// encoding.
	Tailor(params json.RawMessage) ([]byte, error)
}
