package wav2vec2

import (
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// facts are what a folder's files say without a load.
type facts struct {
	*folder
	weights services.Bytes
	// problem is why the model could not be loaded, although its configuration is
	// right; a loaded one works on.
	problem error
}

// readFacts reads everything but the weights. The word list is checked but not held.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readFolder(files)
	if err != nil {
		return facts{}, err
	}
	known := facts{folder: f}
	graph := files.AnyPrecision(graphFile)
	signature, weights, err := files.Signature(graph)
	if err == nil {
		known.weights, err = weights, files.Fits(graph, f.contract(), signature)
	}
	_, wordsErr := f.wordList(files)
	known.problem = errors.Join(err, wordsErr)
	return known, nil
}
