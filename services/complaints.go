package services

import (
	"fmt"
	"slices"
)

// Complaints collects the fields of a request that are wrong, so that a client learns of
// all of them at once. The zero value has none.
type Complaints struct{ fields []FieldError }

// Complain records that a field is wrong; the same complaint counts once.
func (c *Complaints) Complain(field, format string, args ...any) {
	one := FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.fields, one) {
		c.fields = append(c.fields, one)
	}
}

// Check records that a field is wrong unless ok.
func (c *Complaints) Check(ok bool, field, format string, args ...any) {
	if !ok {
		c.Complain(field, format, args...)
	}
}

// Fault returns every complaint as one fault, nil where there is none.
func (c *Complaints) Fault() *Fault {
	if len(c.fields) == 0 {
		return nil
	}
	return &Fault{Kind: KindInvalid, Fields: c.fields}
}

// Err returns Fault as an error.
func (c *Complaints) Err() error {
	if fault := c.Fault(); fault != nil {
		return fault
	}
	return nil // not a nil *Fault in an interface
}
