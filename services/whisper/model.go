package whisper

import (
	"context"
	"errors"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name             string
	folder           *folder
	text             tokenizer.Text
	extractor        *extractor
	encoder, decoder *onnx.Session
	// hidden, cache and logits are the types of the encoder's result, of the decoder's
	// past and of its result.
	hidden, cache, logits onnx.ElementType
	// attention are the outputs of the decoder with the attention of its layers to the
	// sound, none if the folder does not export it.
	attention []string
}

// facts describe a folder without loading its weights.
type facts struct {
	*folder
	weights services.Bytes
	// problem is the error that would prevent loading the model.
	problem error
}

// readFacts reads everything except the weights.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readFolder(files)
	if err != nil {
		return facts{}, err
	}
	known := facts{folder: f}
	_, err = f.readTokenizer(files)
	problems := []error{err}
	for name, contract := range map[string]onnx.Contract{encoderGraph: f.encoderContract(), decoderGraph: f.decoderContract()} {
		file := files.AnyPrecision(name)
		signature, size, err := files.Signature(file)
		if err == nil {
			known.weights = known.weights.Plus(size)
			f.Aligned = f.Aligned || f.aligns(signature)
			err = files.Fits(file, contract, signature)
		}
		problems = append(problems, err)
	}
	known.problem = errors.Join(problems...)
	return known, nil
}

// loadModel loads the graphs after checking them against the configuration.
func loadModel(rt *onnx.Runtime, files modelstore.Folder, session onnx.SessionConfig) (*model, services.Bytes, error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	m := &model{name: files.Name, folder: f, extractor: newExtractor(f.Preprocessor)}
	if m.text, err = f.readTokenizer(files); err != nil {
		return nil, 0, err
	}
	var total services.Bytes
	open := func(name string, contract onnx.Contract) (*onnx.Session, error) {
		graph, bytes, err := files.Graph(files.AnyPrecision(name))
		if err != nil {
			return nil, err
		}
		total = total.Plus(bytes)
		return rt.OpenSession(graph, contract, session)
	}
	if m.encoder, err = open(encoderGraph, f.encoderContract()); err != nil {
		return nil, 0, err
	}
	if m.decoder, err = open(decoderGraph, f.decoderContract()); err != nil {
		return nil, 0, errors.Join(err, m.encoder.Close())
	}
	m.hidden = typeOf(m.encoder.Signature().Outputs, hiddenOutput)
	m.cache = typeOf(m.decoder.Signature().Inputs, f.pastShape().PastName(0, "key"))
	m.attention = f.attentionOutputs(m.decoder.Signature())
	m.logits = typeOf(m.decoder.Signature().Outputs, logitsOutput)
	return m, total, nil
}

func typeOf(list []onnx.TensorInfo, name string) onnx.ElementType {
	info, _ := onnx.Find(list, name)
	return info.Type
}

// Close unloads the model.
func (m *model) Close() error { return errors.Join(m.decoder.Close(), m.encoder.Close()) }

// encode returns the encoder's result for the features of one window. The caller closes it.
func (m *model) encode(ctx context.Context, features []float32) (*onnx.Tensor, error) {
	n := m.folder.Network
	kind := typeOf(m.encoder.Signature().Inputs, inputFeatures)
	input, err := onnx.NewFloatTensor(kind, features, 1, n.MelBins, 2*n.SourceFrames)
	if err != nil {
		return nil, unprepared(err)
	}
	defer input.Close()
	output, err := floats(m.hidden, 1, n.SourceFrames, n.Width)
	if err != nil {
		return nil, err
	}
	outputs := map[string]*onnx.Tensor{hiddenOutput: output}
	if err := m.encoder.RunInto(ctx, map[string]*onnx.Tensor{inputFeatures: input}, outputs, hiddenOutput); err != nil {
		output.Close()
		return nil, err
	}
	return output, nil
}

// floats returns a tensor of zeros whose values can be read.
func floats(kind onnx.ElementType, shape ...int64) (*onnx.Tensor, error) {
	if kind != onnx.Float32 {
		return rawTensor(kind, shape...)
	}
	t, err := onnx.NewTensor(make([]float32, limits.Product(shape...)), shape...)
	if err != nil {
		return nil, unprepared(err)
	}
	return t, nil
}

// rawTensor returns a tensor of zeros that is passed from one run to the next.
func rawTensor(kind onnx.ElementType, shape ...int64) (*onnx.Tensor, error) {
	t, err := onnx.NewRawTensor(kind, make([]byte, max(1, limits.Product(append([]int64{kind.Size()}, shape...)...))), shape...)
	if err != nil {
		return nil, unprepared(err)
	}
	return t, nil
}

func unprepared(err error) error {
	return services.Internal(err, "the input of the model could not be prepared")
}

// runBytes predicts the memory of a window whose text is searched with the given number of
// hypotheses: attention of the encoder, the two pasts of the decoder, and the logits of a
// prompt.
func (f *folder) runBytes(width int64) services.Bytes {
	const float = 4
	n := f.Network
	frames := n.SourceFrames
	convolution := limits.Product(float, 3, 2*frames, n.Width)
	attention := limits.Sum(limits.Product(2*float, n.EncoderHeads, frames, frames),
		limits.Product(float, frames, 8*n.Width+2*n.EncoderInner))
	encoder := max(convolution, attention)
	past := limits.Product(float, 2*n.DecoderLayers, n.Width, width, frames+2*n.TargetPosition)
	aligned := int64(0)
	if f.Aligned {
		aligned = limits.Product(float, int64(len(f.alignmentLayers())), n.DecoderHeads, n.TargetPosition/2+8, frames)
	}
	logits := limits.Product(float, max(width, n.TargetPosition/2), n.VocabSize)
	// The past is kept while the next window is encoded.
	return services.Bytes(limits.Sum(past, max(encoder, limits.Sum(2*logits, aligned)), limits.Product(float, frames, n.Width)))
}
