package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/grym-synth/grym-synth/internal/cli"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/importer"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// ImportKinds implements cli.ModelTools.
func (t modelTools) ImportKinds() []string { return importer.Kinds() }

// Import implements cli.ModelTools.
func (t modelTools) Import(ctx context.Context, ask cli.ModelImport, ui cli.ImportUI) (cli.PulledModel, error) {
	settings, err := config.Hub()
	if err != nil {
		return cli.PulledModel{}, err
	}
	client := hub.NewClient(settings)
	defer client.Close()
	dir, err := filepath.Abs(t.cfg.ModelsDir())
	if err != nil {
		return cli.PulledModel{}, err
	}
	data, err := filepath.Abs(t.cfg.DataDir)
	if err != nil {
		return cli.PulledModel{}, err
	}
	work := filepath.Join(dir, ".pull", "import-"+ask.Name)
	request := importer.Request{Kind: ask.Kind, Sources: ask.Sources, Name: ask.Name, Precision: ask.Precision, Python: ask.Python}
	plan, err := importer.Prepare(ctx, request, client, filepath.Join(data, "python"), work)
	if err != nil {
		return cli.PulledModel{}, err
	}
	if agreed, err := ui.Agree(plan.String(), plan.Fetches()); err != nil || !agreed {
		return cli.PulledModel{}, err
	}
	made, manifest, err := plan.Run(ctx, ui.Log, ui.Report)
	if err != nil {
		return cli.PulledModel{}, err
	}
	if err := t.prove(ctx, filepath.Dir(made), plan.Service(), ask.Name); err != nil {
		return cli.PulledModel{}, fmt.Errorf("the exported folder %s cannot be used: %w", made, err)
	}
	if manifest, err = hub.Adopt(ctx, dir, ask.Name, made, manifest); err != nil {
		return cli.PulledModel{}, err
	}
	return cli.PulledModel{
		Name: ask.Name, Revision: manifest.Revision, Precision: manifest.Precision, Files: len(manifest.Files), Bytes: manifest.Bytes(),
	}, os.RemoveAll(work)
}

// prove runs the canary of a service on a model of another models folder.
func (t modelTools) prove(ctx context.Context, dir, service, model string) (err error) {
	cfg := t.cfg
	cfg.Models.Dir = dir
	spool, err := os.MkdirTemp("", "grym-synth")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(spool)) }()
	s, err := build(cfg, spool, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.parts.Stop(context.WithoutCancel(ctx))) }()
	entry, err := s.registry.Lookup(service)
	if err != nil {
		return err
	}
	release, err := entry.Hold(model)
	if err != nil {
		return err
	}
	defer release()
	err = s.orchestrator.Canary(ctx, service, model)
	var fault *services.Fault
	if errors.As(err, &fault) && fault.Kind == services.KindTooLarge {
		return nil // another machine may have the memory
	}
	return err
}
