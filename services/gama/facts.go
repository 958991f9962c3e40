package gama

import (
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// facts describe a folder without loading its weights. The tokenizer is validated but
// not retained, because a large one takes many times the memory of its file.
type facts struct {
	*folder
	weights services.Bytes
	// problem is the error that would prevent loading the model even though its
	// configuration is valid. An already loaded model stays usable.
	problem error
}

// readFacts reads everything except the weights.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readConfigs(files)
	if err != nil {
		return facts{}, err
	}
	known := facts{folder: f}
	text, err := readTokenizer(files)
	if err == nil {
		err = f.checkMarks(files.Name, text)
	}
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
