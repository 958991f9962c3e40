package services

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrKeyReused is returned if the idempotency key of a request was used for another one.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

// Kind classifies a fault. The set is closed, and the kind is decided where the error
// arises. Package api/problem maps it to an HTTP status.
type Kind string

// The kinds. Unsupported is separate from Invalid because the remedy is another file
// format, not another value.
const (
	KindInvalid     Kind = "invalid"     // the request is wrong; the same request fails again
	KindUnsupported Kind = "unsupported" // the format of the input is not supported
	KindNotFound    Kind = "not_found"   // what the request names does not exist
	KindTooLarge    Kind = "too_large"   // the request is over a limit
	KindFull        Kind = "full"        // no space to store it, on disk or within a quota
	KindBusy        Kind = "busy"        // no capacity at the moment
	KindUnavailable Kind = "unavailable" // the service cannot work now
	KindCancelled   Kind = "cancelled"   // the client or an operator stopped it
	KindTimeout     Kind = "timeout"     // it took longer than allowed
	KindInternal    Kind = "internal"    // a defect or failure of the server
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{
		KindInvalid, KindUnsupported, KindNotFound, KindTooLarge, KindFull, KindBusy,
		KindUnavailable, KindCancelled, KindTimeout, KindInternal,
	}
}

// ErrInUse is returned by an eviction if the memory is in use.
var ErrInUse = errors.New("in use")

// FieldError is one invalid field of a request.
type FieldError struct {
	// Field is the name that the client used, such as "response_format".
	Field string
	// Problem completes the sentence "<field> ..." and includes the value and the
	// limit.
	Problem string
}

// Fault is an error with a kind. Message and Fields are for the client; Err is
// for the log only.
type Fault struct {
	Kind    Kind
	Message string
	// Fields lists every invalid field if the request caused the fault.
	Fields []FieldError
	// RetryAfter is an estimate of when a retry may succeed; zero if unknown.
	RetryAfter time.Duration
	// Transient reports whether an immediate retry of the same call may succeed.
	Transient bool
	// Final reports that another attempt at the job would end in the same way, although the
	// kind says otherwise.
	Final bool
	// Err is the cause; nil if there is none.
	Err error
}

// Error returns the message, the invalid fields and the cause.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.Detail())
	if f.Err != nil {
		b.WriteString(": ")
		b.WriteString(f.Err.Error())
	}
	return b.String()
}

// Detail returns the text for the client, which is Error without the cause.
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

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Invalidf returns a KindInvalid fault for one field. The formatted text completes the
// sentence "<field> ...".
func Invalidf(field, format string, args ...any) *Fault {
	return &Fault{Kind: KindInvalid, Fields: []FieldError{{field, fmt.Sprintf(format, args...)}}}
}

// Faultf returns a fault with a message for the client.
func Faultf(kind Kind, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Internal wraps an unexpected error as a KindInternal fault. The message is shown to
// the client and names the operation that failed, not the reason.
func Internal(err error, format string, args ...any) *Fault {
	return &Fault{Kind: KindInternal, Message: fmt.Sprintf(format, args...), Err: err}
}

// Unreadable returns the fault for a recording that cannot be opened. A fault, or the
// end of a context, is returned unchanged; any other error becomes a KindInternal
// fault.
func Unreadable(err error) error {
	var fault *Fault
	if errors.As(err, &fault) || KindOf(err) != KindInternal {
		return err
	}
	return Internal(err, "the upload could not be read")
}

// KindOf returns the kind of err. The end of a context is KindCancelled or KindTimeout,
// an error without a Fault is KindInternal, and nil has the empty kind.
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

// IsServiceFault reports whether an error counts against the service. Bad input,
// refusals and cancellation by the client do not.
func IsServiceFault(err error) bool {
	switch KindOf(err) {
	case KindInternal, KindTimeout, KindUnavailable:
		return true
	default:
		return false
	}
}

// IsTransient reports whether a retry of the same call may succeed.
func IsTransient(err error) bool {
	var fault *Fault
	return errors.As(err, &fault) && fault.Transient
}

// Outcome is the outcome of a task, used as a metric label.
type Outcome string

// OutcomeSuccess is the outcome of a task without an error; any other outcome
// is the Kind of its error.
const OutcomeSuccess Outcome = "success"

// OutcomeOf returns the outcome of a task that returned err.
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
