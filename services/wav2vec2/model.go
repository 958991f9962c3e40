package wav2vec2

import (
	"context"
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Names in the graph, as Optimum exports it.
const (
	inputValues   = "input_values"
	attentionMask = "attention_mask"
	logitsOutput  = "logits"
)

// normalizeEpsilon is added to the variance, as the Wav2Vec2FeatureExtractor does.
const normalizeEpsilon = 1e-7

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name    string
	folder  *folder
	session *onnx.Session
	decoder ctcDecoder
	// words is the list beside the model, nil where there is none.
	words *lexicon
}

// loadModel opens the folder's graph and checks it against its configuration.
func loadModel(rt *onnx.Runtime, files modelstore.Folder, session onnx.SessionConfig) (*model, services.Bytes, error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	graph, bytes, err := files.Graph("model.onnx")
	if err != nil {
		return nil, 0, err
	}
	opened, err := rt.OpenSession(graph, f.contract(), session)
	if err != nil {
		return nil, 0, err
	}
	return &model{name: files.Name, folder: f, session: opened, decoder: f.decoder(), words: f.Words}, bytes, nil
}

// contract is what a CTC graph must take and give.
func (f *folder) contract() onnx.Contract {
	return onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputValues, Type: onnx.Float32, Rank: 2},
			{Name: attentionMask, Type: onnx.Int64, Rank: 2, Optional: true},
		},
		Outputs: []onnx.TensorSpec{
			{Name: logitsOutput, Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, int64(f.Network.VocabSize)}},
		},
	}
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

// logits runs the network over one window of mono samples at the model's rate,
// which are normalised in place. The result has shape [frames, vocabulary].
func (m *model) logits(ctx context.Context, samples []float32) ([]float32, error) {
	audible := len(samples)
	if m.folder.Preprocessor.DoNormalize {
		dsp.Normalize(samples, normalizeEpsilon)
	}
	// Less than one frame's worth is padded, after normalising, like any padding.
	for int64(len(samples)) < m.folder.Network.receptiveField() {
		samples = append(samples, m.folder.Preprocessor.PaddingValue)
	}
	inputs, err := m.inputs(samples, audible)
	defer closeAll(inputs)
	if err != nil {
		return nil, services.Internal(err, "the input could not be handed to the model")
	}
	outputs, err := m.session.Run(ctx, inputs)
	defer closeAll(outputs)
	if err != nil {
		return nil, err
	}
	return m.checkLogits(outputs[logitsOutput], int64(len(samples)))
}

// inputs makes the tensors for a batch of one. A mask covers the audible part.
func (m *model) inputs(samples []float32, audible int) (map[string]*onnx.Tensor, error) {
	inputs := make(map[string]*onnx.Tensor, 2)
	values, err := onnx.NewTensor(samples, 1, int64(len(samples)))
	if err != nil {
		return inputs, err
	}
	inputs[inputValues] = values
	if !m.session.HasInput(attentionMask) {
		return inputs, nil
	}
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

// checkLogits refuses an answer whose shape is not what the configuration
// promises: times would be wrong.
func (m *model) checkLogits(tensor *onnx.Tensor, samples int64) ([]float32, error) {
	want := []int64{1, m.folder.Network.frames(samples), int64(m.folder.Network.VocabSize)}
	got := tensor.Shape()
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		err := fmt.Errorf("%s: logits have shape %v, config.json makes it %v", m.name, got, want)
		return nil, services.Internal(err, "the model gave an unusable answer")
	}
	values, err := onnx.Values[float32](tensor)
	if err != nil {
		return nil, services.Internal(err, "the model gave an unusable answer")
	}
	return values, nil
}

// canary proves by half a second of a quiet tone that the model runs.
func (m *model) canary(ctx context.Context) error {
	rate := m.folder.Preprocessor.SamplingRate
	tone := make([]float32, rate/2)
	for i := range tone {
		tone[i] = 0.1 * float32(math.Sin(2*math.Pi*220*float64(i)/float64(rate)))
	}
	if _, err := m.logits(ctx, tone); err != nil {
		return fmt.Errorf("canary inference on %s: %w", m.name, err)
	}
	return nil
}

// runBytes predicts the memory of one run over so many samples, from the shape
// of the network. The first convolutions dominate: a layer's input and output
// stand together, with temporaries of their size for the norm and the
// activation. Attention scores grow with the square of the frames.
func (f *folder) runBytes(samples int64) services.Bytes {
	const float = 4
	n := f.Network
	samples = max(samples, n.receptiveField())
	widest, before := int64(0), samples
	length := samples
	for i := range n.ConvDim {
		length = (length-n.ConvKernel[i])/n.ConvStride[i] + 1
		size := length * n.ConvDim[i]
		widest = max(widest, before+size)
		before = size
	}
	convolutions := 3 * widest * float
	attention := (2*n.AttentionHeads*length*length + length*(8*n.HiddenSize+2*n.IntermediateSize)) * float
	edges := (2*samples + 2*length*int64(n.VocabSize)) * float
	return services.Bytes(max(convolutions, attention) + edges)
}

// Close unloads the model.
func (m *model) Close() error { return m.session.Close() }
