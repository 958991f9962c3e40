package modelstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// errReplaced is returned to callers that waited while a model was replaced; they try again.
var errReplaced = errors.New("the model was replaced")

// hold makes the model stay loaded until release is called. held is false, and release does
// nothing, if the model is not loaded. It waits for a load under way.
func (p *Pool[M]) hold(ctx context.Context, name string) (held bool, release func(), err error) {
	p.mu.Lock()
	e := p.models[name]
	if e == nil {
		p.mu.Unlock()
		return false, func() {}, nil
	}
	e.users++
	p.mu.Unlock()
	select {
	case <-e.ready:
	case <-ctx.Done():
		p.leave(e)
		return false, nil, fmt.Errorf("wait for model %s: %w", name, ctx.Err())
	}
	if e.err != nil {
		p.leave(e)
		return false, func() {}, nil
	}
	return true, func() { p.leave(e) }, nil
}

// replace calls commit and makes the staged version, if it is loaded, the model of the name.
// Until then callers get the old one; those that do not find one loaded wait. The old one is
// retired: it is unloaded once it is unused. If commit fails, nothing has changed.
func (p *Pool[M]) replace(ctx context.Context, staged, name string, commit func() error) (old *entry[M], err error) {
	placeholder, err := p.block(ctx, name)
	if err != nil {
		return nil, err
	}
	err = commit()
	p.mu.Lock()
	defer p.mu.Unlock()
	if placeholder != nil {
		placeholder.err, placeholder.abandoned = errReplaced, true
		delete(p.models, name)
		close(placeholder.ready)
		p.idle.Broadcast()
	}
	if err != nil {
		return nil, err
	}
	if old = p.models[name]; old != nil {
		p.remove(old)
		p.retired[old] = struct{}{}
	}
	if e := p.models[staged]; e != nil && !p.closed {
		delete(p.models, staged)
		e.name = name
		p.models[name] = e
		p.keep(name, e.model)
	}
	return old, nil
}

// block waits until the model is not being loaded. If it is not loaded, callers of Acquire
// wait for the entry that is returned.
func (p *Pool[M]) block(ctx context.Context, name string) (placeholder *entry[M], err error) {
	for {
		p.mu.Lock()
		e := p.models[name]
		switch {
		case p.closed:
			p.mu.Unlock()
			return nil, fmt.Errorf("replace model %s: %w", name, ErrShutDown)
		case e == nil:
			placeholder = &entry[M]{name: name, ready: make(chan struct{}), users: 1} // as that of a load
			p.models[name] = placeholder
		}
		p.mu.Unlock()
		if e == nil {
			return placeholder, nil
		}
		select {
		case <-e.ready:
			if e.err == nil {
				return nil, nil
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for model %s: %w", name, ctx.Err())
		}
	}
}

// retire waits until a model that was replaced is unloaded. If ctx ends first, its last user
// unloads it.
func (p *Pool[M]) retire(ctx context.Context, e *entry[M]) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	unused := e.users == 0
	p.mu.Unlock()
	if unused {
		return p.discard(e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for ctx.Err() == nil {
		if _, there := p.retired[e]; !there {
			return nil
		}
		p.idle.Wait()
	}
	return fmt.Errorf("wait for the tasks of the old version of model %s: %w", e.name, ctx.Err())
}

// discard unloads an unused retired entry, unless another caller does.
func (p *Pool[M]) discard(e *entry[M]) error {
	p.mu.Lock()
	if _, there := p.retired[e]; !there || e.discarded {
		p.mu.Unlock()
		return nil
	}
	e.discarded = true
	p.mu.Unlock()
	err := p.unload(e)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.retired, e)
	p.idle.Broadcast()
	return err
}

// StageModel implements services.ModelReplacer.
func (h *Host[M]) StageModel(ctx context.Context, model, dir string, gap bool) (services.StagedModel, error) {
	name, err := h.catalog.stage(model, dir)
	if err != nil {
		return nil, err
	}
	s := &stagedModel[M]{host: h, name: name, model: model, release: func() {}}
	if folder, ok := h.catalog.candidate(name); ok {
		s.version = folder.state.version
	}
	if s.loaded, s.release, err = h.pool.hold(ctx, model); err != nil {
		h.catalog.unstage(name)
		return nil, err
	}
	if gap {
		s.release()
		s.release = func() {}
		if err := h.pool.Unload(ctx, model); err != nil {
			h.catalog.unstage(name)
			return nil, err
		}
	}
	return s, nil
}

// stagedModel implements services.StagedModel.
type stagedModel[M Model] struct {
	host *Host[M]
	// name is that of the staged version, model that of the model.
	name, model string
	// version is the state of the files when they were staged.
	version string
	// loaded reports whether the old version is, release lets it go.
	loaded  bool
	release func()
}

// Name implements services.StagedModel.
func (s *stagedModel[M]) Name() string { return s.name }

// Loaded implements services.StagedModel.
func (s *stagedModel[M]) Loaded() bool { return s.loaded }

// Replace implements services.StagedModel.
func (s *stagedModel[M]) Replace(ctx context.Context, commit func() error) error {
	h := s.host
	if err := h.catalog.sameAs(s.name, s.version); err != nil {
		return services.Internal(err, "%v", err)
	}
	if !s.loaded {
		// Nobody has asked for the model, so that it does not stay loaded.
		if err := h.pool.Unload(ctx, s.name); err != nil {
			return err
		}
	}
	old, err := h.pool.replace(ctx, s.name, s.model, commit)
	if err != nil {
		return err
	}
	h.forgive(s.model)
	s.release()
	s.release = func() {}
	if old == nil {
		return nil
	}
	// The new version is in use, whatever happens to the old one.
	if err := h.pool.retire(ctx, old); ctx.Err() == nil {
		return err
	}
	return nil
}

// Close implements services.StagedModel.
func (s *stagedModel[M]) Close(failed error) error {
	h := s.host
	s.release()
	if failed != nil && s.loaded {
		h.blame(s.model, s.version, strings.ReplaceAll(failed.Error(), s.name, s.model))
	}
	err := h.pool.Unload(context.Background(), s.name)
	h.catalog.unstage(s.name)
	return err
}

// blame records why a version of a loaded model was not taken, and forgive forgets it.
func (h *Host[M]) blame(model, version, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures[model] = failure{version, reason}
}

func (h *Host[M]) forgive(model string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failures, model)
}

// failureOf returns why the latest version of a model was not taken; empty if none failed.
func (h *Host[M]) failureOf(model string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failures[model].reason
}

// Outdated implements services.ModelReplacer. Files that were changed by hand may be changed
// further, and are left to the operator.
func (h *Host[M]) Outdated() []string {
	var names []string
	for _, folder := range h.catalog.pulledSince() {
		h.mu.Lock()
		tried := h.failures[folder.Name].version == folder.state.version
		h.mu.Unlock()
		if _, ours := h.pool.Loaded(folder.Name); ours && !tried && folder.state.settled() {
			names = append(names, folder.Name)
		}
	}
	slices.Sort(names)
	return names
}
