package gama

import (
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// facts are what a folder's files say without a load. The tokenizer is checked but not
// held: a large one takes many times the memory of its file.
type facts struct {
	*folder
	weights services.Bytes
	// problem is why the model could not be loaded, although its configuration is
	// right; a loaded one works on.
	problem error
}

// readFacts reads everything but the weights.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readConfigs(files)
	if err != nil {
		return facts{}, err
	}
	known := facts{folder: f}
	_, err = readTokenizer(files)
	problems := []error{err}
	contracts := map[string]onnx.Contract{
		encoderGraph: f.encoderContract(), embedderGraph: f.embedderContract(),
		decoderGraph: f.decoderContract(),
	}
	for _, name := range graphNames {
		file := f.graphFile(files, name)
		signature, size, err := files.Signature(file)
		if err == nil {
			known.weights = known.weights.Plus(inMemory(name, file, size))
			err = files.Fits(file, contracts[name], signature)
		}
		problems = append(problems, err)
	}
	known.problem = errors.Join(problems...)
	return known, nil
}
