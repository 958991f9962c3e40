package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
)

// ErrShutdown is the cause of the contexts of requests that are cancelled when the drain
// timeout ends.
var ErrShutdown = errors.New("the server is shutting down")

// Server serves a handler on a listener. It is a lifecycle.Part.
type Server struct {
	cfg      Config
	listener net.Listener
	server   *http.Server
	// cut cancels the context of every request; drain cancels those that last until the
	// server stops.
	cut   context.CancelCauseFunc
	drain context.CancelFunc
	// failed receives the error of a listener that ends before Stop.
	failed chan error

	mu             sync.Mutex
	begun, stopped bool
	serving        sync.WaitGroup
}

// Listen opens the listener, so that the address is known and reserved before anything is
// served.
func Listen(ctx context.Context, cfg Config) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("api.listen: %w", err)
	}
	return listener, nil
}

// NewServer returns a server that owns the listener, with as many connections as the
// process's file descriptors allow. It serves nothing before Start.
func NewServer(cfg Config, listener net.Listener, handler http.Handler, log *slog.Logger) *Server {
	conns, spare := connLimits()
	limited := limitConnections(listener, conns, spare)
	s := &Server{cfg: cfg, listener: limited, failed: make(chan error, 1)}
	base, cut := context.WithCancelCause(context.Background())
	draining, drain := context.WithCancel(context.Background())
	s.cut, s.drain = cut, drain
	base = web.WithDrain(base, draining)
	s.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withSpare,
	}
	limited.keepAlive = s.server.SetKeepAlivesEnabled
	return s
}

// Start serves until Stop is called.
func (s *Server) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.stopped {
		return lifecycle.ErrStarted
	}
	s.begun = true
	s.serving.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return nil
}

// Failed returns a channel that receives the listener's error if it fails before Stop.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop waits for the shutdown delay, stops accepting connections, waits for requests until
// the drain timeout, then cancels those that remain and waits for them. When ctx ends, it
// proceeds to the next of these steps at once.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	begun, again := s.begun, s.stopped
	s.stopped = true
	s.mu.Unlock()
	if !begun {
		s.drain()
		s.cut(ErrShutdown)
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close the listener: %w", err)
		}
		return nil
	}
	if !again {
		pause(ctx, s.cfg.ShutdownDelay)
	}
	s.drain()
	drain, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	err := s.server.Shutdown(drain)
	s.cut(ErrShutdown)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		// Cancelled work usually ends at once; the wait is limited in case a run in native
		// code hangs.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(s.server.Shutdown(last), s.server.Close())
	}
	s.serving.Wait()
	return err
}

// pause waits for a duration, or until ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
