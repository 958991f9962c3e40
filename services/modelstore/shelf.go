package modelstore

import (
	"context"
	"sync"

	"github.com/grym-synth/grym-synth/services"
)

// Kind is which models a service uses.
type Kind struct {
	// ModelTypes of their folders.
	ModelTypes []string
	// Needs says in a fault what needs one of them, as "generation needs".
	Needs string
	// Default is the name of the default model.
	Default string
}

// Shelf has the folders of one kind, with what their files say. Safe for concurrent use.
type Shelf[T any] struct {
	*Facts[T]
	catalog *Catalog
	kind    Kind

	mu sync.Mutex
	// sources are the folders of loaded models, by model, and inUse those of the models
	// that have their names.
	sources map[any]source[T]
	inUse   map[string]source[T]
}

// source is the folder from which a model was loaded, with what its files said.
type source[T any] struct {
	folder Folder
	facts  T
}

// NewShelf returns the shelf of the catalog's folders of a kind, whose files are read by
// read.
func NewShelf[T any](catalog *Catalog, kind Kind, read func(Folder) (T, error)) *Shelf[T] {
	return &Shelf[T]{
		Facts: NewFacts(read), catalog: catalog, kind: kind, sources: make(map[any]source[T]), inUse: make(map[string]source[T]),
	}
}

// Of returns what the files of a folder say, and of a loaded model what they said.
func (s *Shelf[T]) Of(folder Folder) (T, error) {
	s.mu.Lock()
	loaded, ok := s.inUse[folder.Name]
	s.mu.Unlock()
	if ok && loaded.folder.state.version == folder.state.version {
		return loaded.facts, nil
	}
	return s.Facts.Of(folder)
}

// loaded records the folder of a model that was loaded, unless what its files say could not
// be read, and forget ends that.
func (s *Shelf[T]) loaded(model any, folder Folder) {
	facts, err := s.Facts.Of(folder)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources[model] = source[T]{folder, facts}
}

func (s *Shelf[T]) forget(model any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sources, model)
}

// keep makes a loaded model the one of its name until release is called: its files are
// those from which it was loaded.
func (s *Shelf[T]) keep(name string, model any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from, ok := s.sources[model]; ok {
		from.folder = s.catalog.keep(name, from.folder)
		s.inUse[name] = from
	}
}

func (s *Shelf[T]) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inUse, name)
	s.catalog.release(name)
}

// List returns the folders, by name.
func (s *Shelf[T]) List() []Folder { return s.catalog.List(s.kind.ModelTypes...) }

// Find returns the folder of a model with what its files say. The error is a fault.
func (s *Shelf[T]) Find(name string) (Folder, T, error) {
	folder, err := s.folder(name)
	if err != nil {
		var unknown T
		return folder, unknown, err
	}
	known, err := s.Of(folder)
	return folder, known, Unusable(name, s.kind.Default, err)
}

// folder returns the folder of a model of the kind.
func (s *Shelf[T]) folder(name string) (Folder, error) {
	folder, err := s.catalog.Find(name, s.kind.ModelTypes...)
	if err != nil {
		return folder, err
	}
	return folder, folder.Require(s.kind.ModelTypes, s.kind.Needs, s.kind.Default)
}

// LoadFrom returns the function by which a pool loads models from a shelf.
func LoadFrom[M Model, T any](shelf *Shelf[T], load func(ctx context.Context, folder Folder) (M, services.Bytes, error)) LoadFunc[M] {
	return func(ctx context.Context, name string) (M, services.Bytes, error) {
		var model M
		folder, err := shelf.folder(name)
		if err != nil {
			return model, 0, err
		}
		folder.Name = modelOf(name)
		model, size, err := load(ctx, folder)
		if err == nil {
			shelf.loaded(model, folder)
		}
		return model, size, Unusable(name, shelf.kind.Default, err)
	}
}
