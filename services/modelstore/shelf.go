package modelstore

import (
	"context"

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
}

// NewShelf returns the shelf of the catalog's folders of a kind, whose files are read by
// read.
func NewShelf[T any](catalog *Catalog, kind Kind, read func(Folder) (T, error)) *Shelf[T] {
	return &Shelf[T]{Facts: NewFacts(read), catalog: catalog, kind: kind}
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
		model, size, err := load(ctx, folder)
		return model, size, Unusable(name, shelf.kind.Default, err)
	}
}
