package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/internal/cli"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/version"
)

// Commands returns the functions that the command line needs. contract is openapi.yaml,
// reference is config.yaml.
func Commands(contract, reference []byte) cli.Program {
	key, keyFile := config.ClientKey(config.Environ())
	return cli.Program{
		Version: fmt.Sprintf("grym-synth %s (%s, %s)", version.Version, version.Commit(), version.Platform()),
		APIKey:  key, APIKeyFile: keyFile,
		Serve: func(ctx context.Context, restoreSignals func(), settings cli.Settings) error {
			from := source(settings)
			from.Reference = reference
			return serveCommand(ctx, restoreSignals, contract, from)
		},
		WriteConfig: func(settings cli.Settings, origins bool, out io.Writer) error {
			cfg, err := config.Load(source(settings))
			switch {
			case err != nil:
				return err
			case origins:
				return cfg.WriteOrigins(out)
			}
			return cfg.WriteYAML(out)
		},
		Listen: func(settings cli.Settings) (string, error) {
			cfg, err := config.Load(source(settings))
			if err != nil {
				return "", err
			}
			return cfg.API.Listen, nil
		},
		Keys: func(settings cli.Settings) (*access.Store, error) {
			cfg, err := config.Load(source(settings))
			if err != nil {
				return nil, err
			}
			return access.Open(cfg.DataDir), nil
		},
		Store: func(settings cli.Settings) (cli.StoreTools, error) {
			cfg, err := config.Load(source(settings))
			if err != nil {
				return nil, err
			}
			return storeTools{cfg.Config}, nil
		},
		Models: openModelTools,
		OpenExecutor: func(settings cli.Settings) (cli.Executor, func(context.Context) error, error) {
			cfg, err := config.Load(source(settings))
			if err != nil {
				return nil, nil, err
			}
			s, err := build(cfg.Config, os.TempDir(), nil, slog.New(slog.DiscardHandler))
			if err != nil {
				return nil, nil, err
			}
			return s.orchestrator, s.parts.Stop, nil
		},
	}
}

func source(settings cli.Settings) config.Source {
	return config.Source{File: settings.File, Environ: config.Environ(), Flags: settings.Values}
}

func serveCommand(ctx context.Context, restoreSignals func(), contract []byte, from config.Source) error {
	cfg, err := config.Load(from)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	return serve(ctx, restoreSignals, contract, from, cfg, level, newLogger(cfg.Log, level, os.Stderr), os.Stdout)
}

// newLogger returns a logger that writes text to a terminal and JSON otherwise, unless the
// format is configured. Its level can be changed later.
func newLogger(cfg config.Log, level *slog.LevelVar, out *os.File) *slog.Logger {
	level.Set(cfg.Level)
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" || cfg.Format == "auto" && term.IsTerminal(int(out.Fd())) {
		return slog.New(slog.NewTextHandler(out, opts))
	}
	return slog.New(slog.NewJSONHandler(out, opts))
}
