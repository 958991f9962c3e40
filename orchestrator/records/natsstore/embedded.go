package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is a NATS server inside this process. It listens nowhere.
type embedded struct {
	server *server.Server
	dir    string
	log    *slog.Logger
	// failed is cancelled, with the cause, when a write to the files failed: the server
	// then answers no writes until it is restarted.
	failed context.Context
}

// startTimeout bounds the start, in which every record is read once.
const startTimeout = 2 * time.Minute

// metaMemory bounds JetStream's memory storage, which is not used here.
const metaMemory = 16 << 20

func startEmbedded(cfg Config, log *slog.Logger) (*embedded, error) {
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("jobs.dir: %w", err)
	}
	if err := checkBlocks(cfg.Dir, log); err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: "grym-synth", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: cfg.Dir, JetStreamMaxMemory: metaMemory, JetStreamMaxStore: int64(cfg.MaxBytes),
		SyncAlways: cfg.SyncInterval == 0, SyncInterval: cfg.SyncInterval,
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	failed, fail := context.WithCancelCause(context.Background())
	s.SetLoggerV2(logger{log, fail}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTimeout) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("jobs: the store in %s did not start; the log has the reason", cfg.Dir)
	}
	return &embedded{server: s, dir: cfg.Dir, log: log, failed: failed}, nil
}

// lost returns how many records the server could not read at its start. For an external
// cluster (nil) it returns 0.
func (e *embedded) lost() (n int) {
	if e == nil {
		return 0
	}
	info, err := e.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return 0
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.State.Lost != nil {
				n += len(stream.State.Lost.Msgs)
			}
		}
	}
	return n
}

func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if e.failed.Err() != nil {
		return // what it wrote last is not known
	}
	if err := noteBlocks(e.dir); err != nil {
		e.log.Warn("the files of the store were not noted", "error", err)
	}
}

// logger forwards the server's log; notices are logged at debug level. A failed write
// is reported only here: its request is not answered.
type logger struct {
	log  *slog.Logger
	fail context.CancelCauseFunc
}

// Noticef implements server.Logger.
func (l logger) Noticef(format string, args ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, args...))
}

// Warnf implements server.Logger.
func (l logger) Warnf(format string, args ...any) {
	l.log.Warn("nats: " + fmt.Sprintf(format, args...))
}

// Errorf implements server.Logger.
func (l logger) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.log.Error("nats: " + text)
	if strings.Contains(text, "failed to store a msg") || strings.Contains(strings.ToLower(text), "critical write error") {
		l.fail(errors.New(text))
	}
}

// Fatalf implements server.Logger.
func (l logger) Fatalf(format string, args ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, args...))
}

// Debugf implements server.Logger.
func (l logger) Debugf(format string, args ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, args...))
}

// Tracef implements server.Logger.
func (l logger) Tracef(string, ...any) {}

var _ server.Logger = logger{}
