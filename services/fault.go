package services

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind of a fault: a closed set, decided where the error arises. One table in
// the api package turns it into an HTTP status.
type Kind string

// Every kind. Unsupported is apart from Invalid because a client mends it by
// another file format, not by another value.
const (
	KindInvalid     Kind = "invalid"     // the request is wrong; the same request fails again
	KindUnsupported Kind = "unsupported" // the input is of a format that is not understood
	KindNotFound    Kind = "not_found"   // what the request names does not exist
	KindTooLarge    Kind = "too_large"   // the request is over a limit
	KindFull        Kind = "full"        // no room to store it, on the disk or within a quota
	KindBusy        Kind = "busy"        // no room now; later there will be
	KindUnavailable Kind = "unavailable" // the service cannot work now
	KindCancelled   Kind = "cancelled"   // the client or an operator stopped it
	KindTimeout     Kind = "timeout"     // it took longer than allowed
	KindInternal    Kind = "internal"    // our fault
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{
		KindInvalid, KindUnsupported, KindNotFound, KindTooLarge, KindFull, KindBusy,
		KindUnavailable, KindCancelled, KindTimeout, KindInternal,
	}
}

// ErrInUse is returned by an eviction when the memory is being used.
var ErrInUse = errors.New("in use")

// FieldError is one wrong field of a request.
type FieldError struct {
	// Field as the client wrote it, as "response_format".
	Field string
	// Problem completes the sentence "<field> ...", with the value and the limit.
	Problem string
}

// Fault is an error with a kind. Message and Fields are for the client; Err is
// for the log only.
type Fault struct {
	Kind    Kind
	Message string
	// Fields that are wrong, all of them, where the fault is the request's.
	Fields []FieldError
	// RetryAfter is an honest guess of when to try again; zero where none is known.
	RetryAfter time.Duration
	// Transient marks a fault that the same call may not meet again, so that a
	// retry is worth its time.
	Transient bool
	// Err is the cause, nil where the fault is the cause itself.
	Err error
}

// Error gives the message, the wrong fields and the cause.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Detail())
	if f.Err != nil {
		b.WriteString(": ")
		b.WriteString(f.Err.Error())
	}
	return b.String()
}

// Detail is the text for the client: Error without the cause.
func (f *Fault) Detail() string {
	parts := make([]string, 0, 1+len(f.Fields))
	if f.Message != "" {
		parts = append(parts, f.Message)
	}
	for _, field := range f.Fields {
		parts = append(parts, field.Field+" "+field.Problem)
	}
	if len(parts) == 0 {
		return string(f.Kind)
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Invalidf makes a KindInvalid fault about one field. The text completes the
// sentence "<field> ...".
func Invalidf(field, format string, args ...any) *Fault {
	return &Fault{Kind: KindInvalid, Fields: []FieldError{{field, fmt.Sprintf(format, args...)}}}
}

// Faultf makes a fault with a message for the client.
func Faultf(kind Kind, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Internal wraps an unexpected error. The message is for the client and names
// what failed, not how.
func Internal(err error, format string, args ...any) *Fault {
	return &Fault{Kind: KindInternal, Message: fmt.Sprintf(format, args...), Err: err}
}

// Unreadable is the fault for a recording that cannot be opened: what its source
// says of it, or ours where that is no fault.
func Unreadable(err error) error {
	var fault *Fault
	if errors.As(err, &fault) || KindOf(err) != KindInternal {
		return err
	}
	return Internal(err, "the upload could not be read")
}

// KindOf tells the kind of any error. A context's end is cancelled or timeout;
// an error that nobody classified is internal; nil has no kind.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var fault *Fault
	switch {
	case errors.As(err, &fault):
		return fault.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.Is(err, context.Canceled):
		return KindCancelled
	default:
		return KindInternal
	}
}

// IsServiceFault tells whether an error speaks against the service. Bad input,
// refusals and a client's own cancellation do not.
func IsServiceFault(err error) bool {
	switch KindOf(err) {
	case KindInternal, KindTimeout, KindUnavailable:
		return true
	default:
		return false
	}
}

// IsTransient tells whether a retry of the same call may succeed.
func IsTransient(err error) bool {
	var fault *Fault
	return errors.As(err, &fault) && fault.Transient
}

// Outcome of a task, as a metric label.
type Outcome string

// OutcomeSuccess is the outcome of a task without an error; any other outcome
// is the Kind of its error.
const OutcomeSuccess Outcome = "success"

// OutcomeOf gives the outcome that err stands for.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeSuccess
	}
	return Outcome(KindOf(err))
}

// Outcomes lists every Outcome.
func Outcomes() []Outcome {
	all := []Outcome{OutcomeSuccess}
	for _, kind := range Kinds() {
		all = append(all, Outcome(kind))
	}
	return all
}
