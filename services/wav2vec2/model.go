package wav2vec2

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Names in the graph as exported by Optimum.
const (
	inputValues   = "input_values"
	attentionMask = "attention_mask"
	logitsOutput  = "logits"
)

// graphFile is the name of the graph in the precision of the export.
const graphFile = "model.onnx"

// normalizeEpsilon is added to the variance as in Wav2Vec2FeatureExtractor.
const normalizeEpsilon = 1e-7

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name    string
	folder  *folder
	session *onnx.Session
	decoder ctcDecoder
	// words is the model's word list, lm its language model; nil if there is none.
	words *lexicon
	lm    *languageModel
	// calibration is that of the confidence; nil if there is none.
	calibration *calibration
}

// loadModel loads the folder's graph after checking it against the configuration.
func loadModel(ctx context.Context, rt *onnx.Runtime, files modelstore.Folder, session onnx.SessionConfig) (*model, services.Bytes, error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	graph, bytes, err := files.Graph(files.AnyPrecision(graphFile))
	if err != nil {
		return nil, 0, err
	}
	list, err := f.wordList(files)
	if err != nil {
		return nil, 0, err
	}
	var words *lexicon
	if list != nil {
		words = newLexicon(list)
	}
	calibrated, err := f.readCalibration(files)
	if err != nil {
		return nil, 0, err
	}
	lm, lmBytes, err := f.loadLanguageModel(ctx, files)
	if err != nil {
		return nil, 0, err
	}
	opened, err := rt.OpenSession(graph, f.contract(), session)
	if err != nil {
		return nil, 0, err
	}
	m := &model{name: files.Name, folder: f, session: opened, decoder: f.decoder(), words: words, lm: lm, calibration: calibrated}
	return m, bytes.Plus(lmBytes), nil
}

// knows reports whether the language model or the word list has a word.
func (m *model) knows(word string) bool {
	if m.lm != nil {
		return m.lm.has(word)
	}
	return m.words.has(word)
}

func (f *folder) decoder() ctcDecoder {
	decoder := ctcDecoder{
		tokens:          f.Tokens,
		unknown:         string(f.Tokenizer.UnkToken),
		blank:           string(f.Tokenizer.PadToken),
		delimiter:       string(f.Tokenizer.WordDelimiter),
		lower:           f.Tokenizer.DoLowerCase,
		cleanUp:         f.Tokenizer.CleanUpSpaces,
		secondsPerFrame: float64(f.Network.hop()) / float64(f.Preprocessor.SamplingRate),
	}
	decoder.index()
	return decoder
}

// infer runs the network on one window of mono samples at the model's rate, which it
// normalises in place. The result has the folder's output shape.
func (m *model) infer(ctx context.Context, samples []float32) ([]float32, error) {
	audible := len(samples)
	if m.folder.Preprocessor.DoNormalize {
		dsp.Normalize(samples, normalizeEpsilon)
	}
	// Windows that are too short are padded after normalisation, like any padding.
	for int64(len(samples)) < m.folder.leastSamples() {
		samples = append(samples, m.folder.Preprocessor.PaddingValue)
	}
	inputs, err := m.inputs(samples, audible)
	defer closeAll(inputs)
	if err != nil {
		return nil, services.Internal(err, "the input of the model could not be prepared")
	}
	name, _ := m.folder.output()
	output, err := m.run(ctx, inputs, name, int64(len(samples)))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	return m.checkOutput(name, output, int64(len(samples)))
}

// run returns the named output. A half-precision output is preallocated, because the
// binding allocates it with a wrong size.
func (m *model) run(ctx context.Context, inputs map[string]*onnx.Tensor, name string, samples int64) (*onnx.Tensor, error) {
	if info, _ := onnx.Find(m.session.Signature().Outputs, name); info.Type != onnx.Float16 {
		outputs, err := m.session.Run(ctx, inputs)
		if err != nil {
			return nil, err
		}
		return outputs[name], nil
	}
	shape := m.folder.shape(samples)
	size := onnx.Float16.Size()
	for _, dim := range shape {
		size *= dim
	}
	output, err := onnx.NewRawTensor(onnx.Float16, make([]byte, size), shape...)
	if err != nil {
		return nil, services.Internal(err, "the output of the model could not be prepared")
	}
	if err := m.session.RunInto(ctx, inputs, map[string]*onnx.Tensor{name: output}, name); err != nil {
		output.Close()
		return nil, err
	}
	return output, nil
}

// inputs returns the tensors for a batch of one. The mask covers the samples without
// padding.
func (m *model) inputs(samples []float32, audible int) (map[string]*onnx.Tensor, error) {
	inputs := make(map[string]*onnx.Tensor, 2)
	info, _ := onnx.Find(m.session.Signature().Inputs, inputValues)
	values, err := onnx.NewFloatTensor(info.Type, samples, 1, int64(len(samples)))
	if err != nil {
		return inputs, err
	}
	inputs[inputValues] = values
	if !m.session.HasInput(attentionMask) {
		return inputs, nil
	}
	// A mask without any frame would cause a division by zero.
	audible = max(audible, int(min(m.folder.Network.receptiveField(), int64(len(samples)))))
	mask := make([]int64, len(samples))
	for i := range audible {
		mask[i] = 1
	}
	inputs[attentionMask], err = onnx.NewTensor(mask, 1, int64(len(mask)))
	return inputs, err
}

func closeAll(tensors map[string]*onnx.Tensor) {
	for _, tensor := range tensors {
		tensor.Close()
	}
}

// checkOutput rejects an output whose shape differs from that in the configuration,
// because the times would be wrong.
func (m *model) checkOutput(name string, tensor *onnx.Tensor, samples int64) ([]float32, error) {
	want, got := m.folder.shape(samples), tensor.Shape()
	if !slices.Equal(got, want) {
		err := fmt.Errorf("%s: %s has shape %v, config.json makes it %v", m.name, name, got, want)
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	values, err := onnx.Floats(tensor)
	if err != nil {
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	return values, nil
}

// canary verifies that the model runs, with half a second of a quiet tone.
func (m *model) canary(ctx context.Context) error {
	rate := m.folder.Preprocessor.SamplingRate
	tone := make([]float32, rate/2)
	for i := range tone {
		tone[i] = 0.1 * float32(math.Sin(2*math.Pi*220*float64(i)/float64(rate)))
	}
	if _, err := m.infer(ctx, tone); err != nil {
		return fmt.Errorf("canary inference on %s: %w", m.name, err)
	}
	return nil
}

// runBytes predicts the memory of one run from the shape of the network. The first
// convolutions dominate: a layer's input and output are held together, with temporaries
// of the same size for the norm and the activation. Attention scores grow with the
// square of the frames.
func (f *folder) runBytes(samples int64) services.Bytes {
	const float = 4
	n := f.Network
	samples = max(samples, f.leastSamples())
	widest, before := int64(0), samples
	length := samples
	for i := range n.ConvDim {
		length = (length-n.ConvKernel[i])/n.ConvStride[i] + 1
		size := limits.Product(length, n.ConvDim[i])
		widest = max(widest, limits.Sum(before, size))
		before = size
	}
	convolutions := limits.Product(3*float, widest)
	attention := limits.Sum(
		limits.Product(2*float, n.AttentionHeads, length, length),
		limits.Product(float, length, 8*n.HiddenSize+2*n.IntermediateSize))
	_, width := f.output()
	edges := limits.Sum(2*float*samples, limits.Product(2*float, length, width))
	return services.Bytes(limits.Sum(max(convolutions, attention), edges))
}

// Close unloads the model.
func (m *model) Close() error { return m.session.Close() }
