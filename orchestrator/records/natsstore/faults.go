package natsstore

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// retryWrite repeats a write until the store answers, because leaders are elected and
// connections are restored. The answer, also a refusal, is returned.
func (l *link) retryWrite(ctx context.Context, try func(context.Context) error) error {
	return l.insist(ctx, tryTimeout, try)
}

// reading is retryWrite for a read, which gets no answer while a stream has no leader
// and can be repeated freely.
func (l *link) reading(ctx context.Context, try func(context.Context) error) error {
	return l.insist(ctx, readTimeout, try)
}

// electedLag is for how long a leader that a cluster has just elected may miss what was
// written: it may answer before it has applied all that the replicas agreed on.
const electedLag = 2 * time.Second

// Lag implements records.Lagging. A single server misses nothing that it has.
func (s *Store) Lag() time.Duration {
	if s.cfg.Replicas == 1 {
		return 0
	}
	return electedLag
}

// patiently repeats a read of something that a record refers to, so that it must exist, until
// it is found.
func (s *Store) patiently(ctx context.Context, try func() error) error {
	until := time.Now().Add(s.Lag())
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := try()
		missing := errors.Is(err, records.ErrMissing) || errors.Is(err, jetstream.ErrMsgNotFound)
		if !missing || time.Now().Add(wait).After(until) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
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

// bind returns a context that is also cancelled when the store in this process fails,
// because its requests are then not answered.
func (l *link) bind(ctx context.Context) (context.Context, func()) {
	if l.embedded == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.embedded.failed, cancel)
	return ctx, func() { stop(); cancel() }
}

// failure returns why the store in this process accepts no writes, or nil.
func (l *link) failure() error {
	if l.embedded == nil {
		return nil
	}
	return context.Cause(l.embedded.failed)
}

// passing reports whether the error may be temporary.
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
		// 503 without a reason of the store: no leader, or a server shutting down.
		return api.Code == 503 && !full(err) && !broken(err)
	}
	return false
}

// Error codes of the server that the client does not name.
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

// broken reports whether the store must be reopened.
func broken(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
		errors.As(err, &api) && api.ErrorCode == codeStoreFailed || errors.Is(err, nats.ErrConnectionClosed)
}

// fault converts an error of the store to a fault.
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
