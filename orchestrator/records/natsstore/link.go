package natsstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// link is a connection and what depends on it.
type link struct {
	embedded *embedded // nil for an external cluster
	conn     *nats.Conn
	js       jetstream.JetStream
	records  jetstream.KeyValue
	// table is the stream that holds the records.
	table jetstream.Stream
	// bucket names the objects, pieces is the stream that holds them.
	bucket string
	pieces jetstream.Stream
	// sifted is true once the leftovers of an earlier process have been removed.
	sifted atomic.Bool
}

// connect opens a link and creates missing buckets.
func (s *Store) connect(ctx context.Context) (*link, error) {
	l := &link{}
	var err error
	if s.cfg.URL == "" {
		if s.rebuild.Load() {
			if err := s.dropRecordIndex(); err != nil {
				return nil, err
			}
			s.rebuild.Store(false)
		}
		l.embedded, err = startEmbedded(s.cfg, s.log)
		if err != nil {
			return nil, err
		}
		l.conn, err = nats.Connect("", nats.InProcessServer(l.embedded.server), nats.Name("grym-synth"))
	} else {
		l.conn, err = s.dial()
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("jobs: connect to NATS: %w", err)
	}
	if err = l.open(ctx, s.cfg); err != nil {
		l.close()
		return nil, fmt.Errorf("jobs: open the store: %w", err)
	}
	return l, nil
}

// dial connects to the external cluster. Lost connections are restored automatically.
func (s *Store) dial() (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("grym-synth"), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { s.log.Warn("connection to NATS lost", "error", err) }),
		nats.ReconnectHandler(func(c *nats.Conn) { s.log.Info("connected to NATS again", "server", c.ConnectedServerName()) }),
	}
	if s.cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(s.cfg.Credentials))
	}
	if s.cfg.TLS.CA != "" {
		options = append(options, nats.RootCAs(s.cfg.TLS.CA))
	}
	if s.cfg.TLS.Certificate != "" {
		options = append(options, nats.ClientCert(s.cfg.TLS.Certificate, s.cfg.TLS.Key))
	}
	return nats.Connect(s.cfg.URL, options...)
}

// open creates or opens the two buckets. They are created as streams, because buckets
// allow reads from replicas, which may lag: a job that was just accepted would be
// unknown.
func (l *link) open(ctx context.Context, cfg Config) (err error) {
	if l.js, err = jetstream.New(l.conn, jetstream.WithDefaultTimeout(tryTimeout)); err != nil {
		return err
	}
	records, objects := cfg.Bucket+"-jobs", cfg.Bucket+"-audio"
	if err := l.ensure(ctx, jetstream.StreamConfig{
		Name: "KV_" + records, Subjects: []string{"$KV." + records + ".>"}, Description: "grym-synth: records of jobs and recordings",
		MaxMsgsPerSubject: 1, AllowRollup: true, DenyDelete: true, Discard: jetstream.DiscardNew,
		Replicas: cfg.Replicas, Storage: jetstream.FileStorage,
	}); err != nil {
		return err
	}
	if err := l.ensure(ctx, jetstream.StreamConfig{
		Name: "OBJ_" + objects, Description: "grym-synth: recordings and results",
		Subjects:    []string{"$O." + objects + ".C.>", "$O." + objects + ".M.>"},
		AllowRollup: true, Discard: jetstream.DiscardNew,
		Replicas: cfg.Replicas, Storage: jetstream.FileStorage,
	}); err != nil {
		return err
	}
	if l.records, err = l.js.KeyValue(ctx, records); err != nil {
		return err
	}
	if l.table, err = l.js.Stream(ctx, "KV_"+records); err != nil {
		return err
	}
	l.bucket = objects
	l.pieces, err = l.js.Stream(ctx, "OBJ_"+objects)
	return err
}

// ensure creates a stream unless it exists. An existing one keeps its operator's
// settings.
func (l *link) ensure(ctx context.Context, cfg jetstream.StreamConfig) error {
	return l.retryWrite(ctx, func(ctx context.Context) error {
		_, err := l.js.Stream(ctx, cfg.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = l.js.CreateStream(ctx, cfg)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				err = nil // another process was first
			}
		}
		return err
	})
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.embedded != nil {
		l.embedded.stop()
	}
}

// reopen reopens the store after a failure of the given link, nil at the start. The
// first attempt is made before it returns, unless another one is running.
func (s *Store) reopen(failed *link) {
	s.mu.Lock()
	if s.closed || s.link != failed || s.busy {
		s.mu.Unlock()
		return
	}
	s.link, s.problem, s.busy = nil, "the store is being opened", true
	s.reopening.Add(1)
	s.mu.Unlock()
	if failed != nil {
		failed.close()
	}
	if s.bring() {
		s.reopening.Done()
		return
	}
	go func() {
		defer s.reopening.Done()
		for wait := time.Second; ; wait = min(2*wait, 15*time.Second) {
			select {
			case <-time.After(wait):
			case <-s.ctx.Done():
				return
			}
			if s.bring() {
				return
			}
		}
	}()
}

// bring opens a link, and reports whether nothing is left to do.
func (s *Store) bring() bool {
	l, err := s.connect(s.ctx)
	if err == nil {
		if lost := l.embedded.lost(); lost > 0 {
			s.damaged(uint64(lost))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		s.busy = false
		if err == nil {
			l.close()
		}
		return true
	case err == nil:
		s.link, s.problem, s.busy = l, "", false
		return true
	}
	if s.ctx.Err() == nil {
		s.problem = err.Error()
		s.log.Error("the job store is not available", "error", err)
	}
	return false
}
