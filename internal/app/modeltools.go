package app

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/grym-synth/grym-synth/internal/cli"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/models"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// modelTools implements cli.ModelTools.
type modelTools struct{ cfg config.Config }

// openModelTools returns the tools of the configured models folder.
func openModelTools(settings cli.Settings) (cli.ModelTools, error) {
	cfg, err := config.Load(source(settings))
	if err != nil {
		return nil, err
	}
	return modelTools{cfg.Config}, nil
}

// Known implements cli.ModelTools.
func (t modelTools) Known() ([]cli.KnownModel, error) {
	catalogue, err := hub.ReadCatalogue(t.cfg.Models.Catalogue)
	if err != nil {
		return nil, err
	}
	known := make([]cli.KnownModel, len(catalogue))
	for i, m := range catalogue {
		known[i] = cli.KnownModel{
			Name: m.Name, Source: m.Source, Task: m.Task, License: m.License, About: m.About, Languages: m.Languages, Parameters: m.Parameters,
		}
	}
	return known, nil
}

// Pull implements cli.ModelTools.
func (t modelTools) Pull(ctx context.Context, pull cli.ModelPull, report func(file string, done, total int64)) (cli.PulledModel, error) {
	settings, err := config.Hub()
	if err != nil {
		return cli.PulledModel{}, err
	}
	catalogue, err := hub.ReadCatalogue(t.cfg.Models.Catalogue)
	if err != nil {
		return cli.PulledModel{}, err
	}
	client := hub.NewClient(settings)
	defer client.Close()
	budget := resources.FindBudget(t.cfg.SystemHardening.ResourceManagement, memprobe.Probe{})
	request := catalogue.Request(pull.Source, pull.Name, pull.Precision)
	puller := hub.NewPuller(client, t.cfg.ModelsDir(), hub.Weights(budget.Bytes), hub.Free, hub.Reserve)
	pulled, err := puller.Pull(ctx, request, func(now hub.Progress) { report(now.File, now.Done, now.Total) })
	if err != nil {
		return cli.PulledModel{}, err
	}
	m := pulled.Manifest
	return cli.PulledModel{
		Name: pulled.Name, Revision: m.Revision, Precision: m.Precision, Files: len(m.Files), Bytes: m.Bytes(), Present: pulled.Present,
	}, nil
}

// List implements cli.ModelTools.
func (t modelTools) List() ([]cli.StoredModel, error) {
	catalog := modelstore.NewCatalog(models.FS, t.cfg.ModelsDir())
	catalog.Supports(modules.ModelTypes())
	if err := catalog.Check(); err != nil {
		return nil, err
	}
	var list []cli.StoredModel
	for _, folder := range catalog.All() {
		m := cli.StoredModel{Name: folder.Name, Origin: folder.Origin, Type: folder.ModelType(), Bytes: folder.Bytes()}
		if err := folder.Problem(); err != nil {
			m.Problem = err.Error()
		}
		manifest, err := hub.ReadManifest(filepath.Join(t.cfg.ModelsDir(), folder.Name))
		if err == nil && folder.Origin == modelstore.OriginFolder {
			m.Source, m.Revision, m.Precision = manifest.Source, manifest.Revision, manifest.Precision
			m.License, m.Pulled = manifest.License, manifest.Pulled
		}
		list = append(list, m)
	}
	return list, nil
}

// Verify implements cli.ModelTools.
func (t modelTools) Verify(ctx context.Context, name string, report func(done, total int64)) ([]string, error) {
	if !services.IsModelName(name) {
		return nil, services.Invalidf("model", "must be the name of a model, got %.200q", name)
	}
	faults, err := hub.Verify(ctx, filepath.Join(t.cfg.ModelsDir(), name), report)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, services.Faultf(services.KindNotFound, "%s was not pulled: the models folder has no %s/%s", name, name, hub.ManifestFile)
	}
	return faults, err
}

// Remove implements cli.ModelTools.
func (t modelTools) Remove(name string) error { return hub.Remove(t.cfg.ModelsDir(), name) }

// removeModel removes a model from the models folder, and from the memory.
func (s *system) removeModel(ctx context.Context, name string) error {
	if err := hub.Remove(s.catalog.Dir(), name); err != nil {
		return err
	}
	for _, entry := range s.registry.List() {
		if presence, ok := entry.Service.(services.ModelPresence); ok && presence.ModelLoaded(name) {
			if err := entry.Unload(ctx, name); err != nil {
				// It is unloaded once it has been idle.
				s.log.Warn("a deleted model could not be unloaded", "model", name, "error", err)
			}
		}
	}
	return nil
}
