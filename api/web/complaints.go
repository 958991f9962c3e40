package web

import (
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// Complaints collects the fields of a request that are wrong, so that a client learns of
// all of them at once.
type Complaints struct{ fields []services.FieldError }

// Complain records that a field is wrong; the same complaint counts once.
func (c *Complaints) Complain(field, format string, args ...any) {
	one := services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.fields, one) {
		c.fields = append(c.fields, one)
	}
}

// Fault returns every complaint as one fault, nil where there is none.
func (c *Complaints) Fault() *services.Fault {
	if len(c.fields) == 0 {
		return nil
	}
	return &services.Fault{Kind: services.KindInvalid, Fields: c.fields}
}
