package modelstore

import "sync"

// maxFacts is the maximum number of folders that are cached.
const maxFacts = 4096

// Facts caches values read from folders until the names, times or sizes of their files
// change. Errors are cached too. Values are shared and must not be modified. Safe for
// concurrent use.
type Facts[T any] struct {
	read func(Folder) (T, error)

	mu    sync.Mutex
	known map[string]fact[T]
}

// fact is the value read from one state of a folder.
type fact[T any] struct {
	version string
	get     func() (T, error)
}

// NewFacts returns an empty cache of the results of read.
func NewFacts[T any](read func(Folder) (T, error)) *Facts[T] {
	return &Facts[T]{read: read, known: make(map[string]fact[T])}
}

// Of returns the value of a folder and reads it if its state has changed. Concurrent
// callers share one read.
func (f *Facts[T]) Of(folder Folder) (T, error) {
	return f.find(folder).get()
}

func (f *Facts[T]) find(folder Folder) fact[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.known[folder.Name]; ok && known.version == folder.state.version {
		return known
	}
	one := fact[T]{folder.state.version, sync.OnceValues(func() (T, error) { return f.read(folder) })}
	// A recently changed file may change again without a new modification time. Files that
	// differ from those of the loaded model are not what its state stands for.
	if folder.state.version != "" && folder.state.settled() && !folder.changed {
		if len(f.known) >= maxFacts {
			clear(f.known)
		}
		f.known[folder.Name] = one
	}
	return one
}
