package services

import "encoding/json"

// Form is one form, beside JSON, in which a result comes.
type Form struct {
	// Name is what a client asks for it by, as "srt".
	Name string
	// ContentType as in HTTP.
	ContentType string
	// Encode returns the result in this form.
	Encode func() ([]byte, error)
}

// Formed is implemented by results that come in other forms than JSON.
type Formed interface {
	// Forms lists them; they are the same for every result of the type.
	Forms() []Form
}

// Tailored is implemented by results whose JSON depends on the parameters of the task.
type Tailored interface {
	// Tailor returns the JSON that the parameters ask for; nil for the result's own.
	Tailor(params json.RawMessage) ([]byte, error)
}
