package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/grym-synth/grym-synth/api/web"
)

// ErrShutdown is the cause of the contexts of requests that were cut off when
// the time to drain was over.
var ErrShutdown = errors.New("the server is shutting down")

// Server listens and serves a handler.
type Server struct {
	cfg      Config
	listener net.Listener
	server   *http.Server
	// cut ends the context of every request; drain tells those that would last
	// that the server is to stop.
	cut   context.CancelCauseFunc
	drain context.CancelFunc
	// served is closed when the listener has ended.
	served chan struct{}
}

// Listen opens the listener, so that the address is known and taken; nothing
// is served before Start.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("api.listen: %w", err)
	}
	return &Server{cfg: cfg, listener: listener, served: make(chan struct{})}, nil
}

// Addr is the address that was opened.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Start serves in the background until Stop. The channel gets the listener's
// error, should it fail before.
func (s *Server) Start(handler http.Handler, log *slog.Logger) <-chan error {
	base, cut := context.WithCancelCause(context.Background())
	s.cut = cut
	draining, drain := context.WithCancel(context.Background())
	s.drain = drain
	base = web.WithDrain(base, draining)
	s.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() {
		defer close(s.served)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return failed
}

// Stop waits out the delay in which the probes are unready, stops taking
// connections, lets requests end within the drain time, and then cancels what
// is left and waits for it.
func (s *Server) Stop() error {
	time.Sleep(s.cfg.ShutdownDelay)
	s.drain()
	drain, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	err := s.server.Shutdown(drain)
	s.cut(ErrShutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		// Cancelled work ends by itself within a moment; the wait has a bound all
		// the same, as a run in native code could hang.
		last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(s.server.Shutdown(last), s.server.Close())
	}
	<-s.served
	return err
}

// Close gives up a listener that was never started.
func (s *Server) Close() error { return s.listener.Close() }
