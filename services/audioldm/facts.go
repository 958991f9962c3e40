package audioldm

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// facts are what a folder's files say without a load.
type facts struct {
	folder *folder
	prints map[string]footprint
}

// readFacts reads a folder without loading it. The error names the file that cannot be
// used, and the tensor where a graph does not fit.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readFolder(files)
	if err != nil {
		return facts{}, err
	}
	if _, err := readTokenizer(files); err != nil {
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

// weights of the four graphs, as the pool books them.
func (f facts) weights() (sum services.Bytes) {
	for _, print := range f.prints {
		sum = sum.Plus(print.weights)
	}
	return sum
}
