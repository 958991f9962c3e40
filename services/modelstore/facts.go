package modelstore

import "sync"

// maxFacts bounds the folders that are remembered.
const maxFacts = 4096

// Facts keeps what was read of folders for as long as their files stay as they
// were: the names, times and sizes of all of them. Errors are kept too. Values are
// shared and must not be changed. Safe for concurrent use.
type Facts[T any] struct {
	read func(Folder) (T, error)

	mu    sync.Mutex
	known map[string]fact[T]
}

// fact is what was read of one state of a folder.
type fact[T any] struct {
	version string
	get     func() (T, error)
}

// NewFacts returns an empty memory of what read returns.
func NewFacts[T any](read func(Folder) (T, error)) *Facts[T] {
	return &Facts[T]{read: read, known: make(map[string]fact[T])}
}

// Of returns what is known of a folder, after reading it where it was not read
// before in this state. Callers at the same time share one reading.
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
	// A file that has only just changed may change again without a new time.
	if folder.state.version != "" && folder.state.settled() {
		if len(f.known) >= maxFacts {
			clear(f.known)
		}
		f.known[folder.Name] = one
	}
	return one
}
