package wav2vec2

import (
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// facts describe a folder without loading its weights.
type facts struct {
	*folder
	weights services.Bytes
	// problem is the error that would prevent loading the model even though its
	// configuration is valid. An already loaded model stays usable.
	problem error
}

// readFacts reads everything except the weights and the n-grams. The word list is validated
// but not retained.
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
	lm, lmErr := f.languageModelBytes(files)
	known.weights = known.weights.Plus(lm)
	_, wordsErr := f.wordList(files)
	_, confidenceErr := f.readCalibration(files)
	known.problem = errors.Join(err, wordsErr, lmErr, confidenceErr)
	return known, nil
}
