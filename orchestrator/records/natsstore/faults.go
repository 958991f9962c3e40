package natsstore

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/services"
)

// patiently tries a write until the store answers: leaders are elected,
// connections come back. What it answers, refusals included, is the caller's.
func (l *link) patiently(ctx context.Context, try func(context.Context) error) error {
	return l.insist(ctx, tryTimeout, try)
}

// reading is patiently for a read, which gets no answer at all while a stream has
// no leader, and which costs nothing to ask again.
func (l *link) reading(ctx context.Context, try func(context.Context) error) error {
	return l.insist(ctx, readTimeout, try)
}

func (l *link) insist(ctx context.Context, each time.Duration, try func(context.Context) error) error {
	ctx, release := l.bind(ctx)
	defer release()
	until := time.Now().Add(totalTimeout)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		bounded, cancel := context.WithTimeout(ctx, each)
		err := try(bounded)
		cancel()
		if !passing(err) || ctx.Err() != nil || time.Now().Add(wait).After(until) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bind returns a context that also ends when the store in this process fails,
// which leaves requests without an answer.
func (l *link) bind(ctx context.Context) (context.Context, func()) {
	if l.embedded == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.embedded.failed, cancel)
	return ctx, func() { stop(); cancel() }
}

// failure is why the store in this process takes no writes, nil where it does.
func (l *link) failure() error {
	if l.embedded == nil {
		return nil
	}
	return context.Cause(l.embedded.failed)
}

// passing reports whether the same request may not meet the error again.
func passing(err error) bool {
	var api *jetstream.APIError
	switch {
	case err == nil, lost(err):
		return false
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, errUnderWay):
		return true
	case errors.As(err, &api):
		// 503 without a store's own reason: no leader, or a server on its way down.
		return api.Code == 503 && !full(err) && !broken(err)
	}
	return false
}

// Codes of the server's errors that the client has no names for.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeStoreFailed           = 10077
)

// full reports whether there is no room for a write.
func full(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == codeInsufficientResources || api.ErrorCode == codeStorageExceeded) {
		return true
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	return strings.Contains(text, syscall.ENOSPC.Error()) ||
		strings.Contains(text, syscall.EDQUOT.Error()) || strings.Contains(text, "maximum bytes exceeded")
}

// broken reports whether the store failed in a way that lasts until it is opened
// again.
func broken(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
		errors.As(err, &api) && api.ErrorCode == codeStoreFailed || errors.Is(err, nats.ErrConnectionClosed)
}

// fault turns an error of the store into one of ours.
func (s *Store) fault(l *link, err error) error {
	if err == nil {
		return nil
	}
	if cause := l.failure(); cause != nil {
		s.reopen(l)
		err = cause
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case full(err):
		s.reopen(l)
		return &services.Fault{Kind: services.KindFull, Message: "the job store has no room", Err: err}
	case broken(err):
		s.reopen(l)
	}
	return &services.Fault{Kind: services.KindUnavailable, Message: "the job store does not answer", RetryAfter: 2 * time.Second, Err: err}
}
