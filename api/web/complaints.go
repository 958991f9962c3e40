package web

import (
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// Complaints collects the invalid fields of a request, so that the response names all of
// them at once.
type Complaints struct{ fields []services.FieldError }

// Complain records that a field is invalid; repeated complaints are recorded once.
func (c *Complaints) Complain(field, format string, args ...any) {
	one := services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.fields, one) {
		c.fields = append(c.fields, one)
	}
}

// Fault returns a fault with every complaint, or nil if there is none.
func (c *Complaints) Fault() *services.Fault {
	if len(c.fields) == 0 {
		return nil
	}
	return &services.Fault{Kind: services.KindInvalid, Fields: c.fields}
}
