package audioldm

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// facts describe a folder without loading its graphs.
type facts struct {
	folder *folder
	prints map[string]footprint
}

// readFacts reads a folder without loading it. The error names the invalid file, and
// the tensor if a graph does not fit.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readFolder(files)
	if err != nil {
		return facts{}, err
	}
	if _, err := readTokenizer(files); err != nil {
		return facts{}, err
	}
	if _, err := readSounds(files); err != nil {
		return facts{}, err
	}
	prints, err := footprints(files)
	if err != nil {
		return facts{}, err
	}
	if err := f.fits(files.Name, prints); err != nil {
		return facts{}, err
	}
	return facts{f, prints}, nil
}

// weights returns the memory of the four graphs' weights as reserved by the pool.
func (f facts) weights() (sum services.Bytes) {
	for _, print := range f.prints {
		sum = sum.Plus(print.weights)
	}
	return sum
}
