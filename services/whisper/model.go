package whisper

import (
	"context"
	"errors"
	"fmt"

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
	m.cache = typeOf(m.decoder.Signature().Inputs, pastName(0, sides[0], kinds[0]))
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

// runBytes predicts the memory of a window: attention of the encoder, the past of the
// decoder twice, and the logits of a prompt.
func (f *folder) runBytes() services.Bytes {
	const float = 4
	n := f.Network
	frames := n.SourceFrames
	convolution := limits.Product(float, 3, 2*frames, n.Width)
	attention := limits.Sum(limits.Product(2*float, n.EncoderHeads, frames, frames),
		limits.Product(float, frames, 8*n.Width+2*n.EncoderInner))
	encoder := max(convolution, attention)
	past := limits.Product(float, 2*n.DecoderLayers, n.Width, frames+2*n.TargetPosition)
	logits := limits.Product(float, n.TargetPosition/2, n.VocabSize)
	return services.Bytes(limits.Sum(max(encoder, limits.Sum(past, 2*logits)), limits.Product(float, frames, n.Width)))
}

// decoding is the decoder over one window. Not safe for concurrent use. It must be closed.
type decoding struct {
	model  *model
	hidden *onnx.Tensor
	// sets are two sets of memory for the decoder's own past: one is read, the other
	// written by the next run. cross is the past of the encoder.
	sets    [2][][]byte
	current int
	past    []*onnx.Tensor
	cross   []*onnx.Tensor
	// n is the number of positions in the past.
	n int64
	// values has the logits of the last position.
	values []float32
}

// newDecoding returns a decoding of a window, which takes the encoder's result over.
func (m *model) newDecoding(hidden *onnx.Tensor) (*decoding, error) {
	n := m.folder.Network
	d := &decoding{model: m, hidden: hidden}
	for set := range d.sets {
		for range 2 * n.DecoderLayers {
			d.sets[set] = append(d.sets[set], make([]byte, n.TargetPosition*n.Width*m.cache.Size()))
		}
	}
	for range 2 * n.DecoderLayers {
		t, err := rawTensor(m.cache, 1, n.DecoderHeads, n.SourceFrames, n.Width/n.DecoderHeads)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.cross = append(d.cross, t)
	}
	return d, d.reset()
}

// reset begins a new text on the same window.
func (d *decoding) reset() (err error) {
	closeAll(d.past)
	d.n = 0
	d.past, err = d.views(d.current, 0)
	return err
}

// views returns tensors over one set with the given number of positions.
func (d *decoding) views(set int, positions int64) ([]*onnx.Tensor, error) {
	n := d.model.folder.Network
	var list []*onnx.Tensor
	for _, memory := range d.sets[set] {
		used := memory[:max(1, positions*n.Width*d.model.cache.Size())]
		t, err := onnx.NewRawTensor(d.model.cache, used, 1, n.DecoderHeads, positions, n.Width/n.DecoderHeads)
		if err != nil {
			closeAll(list)
			return nil, unprepared(err)
		}
		list = append(list, t)
	}
	return list, nil
}

func closeAll(list []*onnx.Tensor) {
	for _, t := range list {
		t.Close()
	}
}

// Close releases the native side.
func (d *decoding) Close() error {
	closeAll(d.past)
	closeAll(d.cross)
	d.hidden.Close()
	return nil
}

// run adds tokens and returns the logits of each, of shape [tokens, vocabulary]. They are
// valid until the next run.
func (d *decoding) run(ctx context.Context, tokens []int) ([]float32, error) {
	n, first := d.model.folder.Network, d.n == 0
	more := int64(len(tokens))
	if d.n+more > n.TargetPosition {
		return nil, services.Internal(fmt.Errorf("%d positions of %d", d.n+more, n.TargetPosition), "the text of a window grew too long")
	}
	written, err := d.views(1-d.current, d.n+more)
	if err != nil {
		return nil, err
	}
	outputs, err := d.outputs(written, more, first)
	if err != nil {
		closeAll(written)
		return nil, err
	}
	defer func() {
		outputs[logitsOutput].Close()
		for layer := range n.DecoderLayers {
			for _, kind := range kinds { // of a continuation they have no elements
				if t := outputs[presentName(layer, sides[1], kind)]; t != nil && !first {
					t.Close()
				}
			}
		}
	}()
	inputs, made, err := d.inputs(tokens, first)
	defer func() { closeAll(made) }()
	if err == nil {
		err = d.model.decoder.RunInto(ctx, inputs, outputs, logitsOutput)
	}
	if err != nil {
		closeAll(written)
		return nil, err
	}
	closeAll(d.past)
	d.past, d.current = written, 1-d.current
	d.n += more
	if d.values, err = onnx.Floats(outputs[logitsOutput]); err != nil {
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	return d.values, nil
}

// outputs returns the tensors that a run writes.
func (d *decoding) outputs(written []*onnx.Tensor, more int64, first bool) (map[string]*onnx.Tensor, error) {
	n := d.model.folder.Network
	logits, err := floats(d.model.logits, 1, more, n.VocabSize)
	if err != nil {
		return nil, err
	}
	outputs := map[string]*onnx.Tensor{logitsOutput: logits}
	i := 0
	for layer := range n.DecoderLayers {
		for _, kind := range kinds {
			outputs[presentName(layer, sides[0], kind)] = written[i]
			if first {
				outputs[presentName(layer, sides[1], kind)] = d.cross[i]
			}
			i++
		}
	}
	return outputs, nil
}

// inputs returns the tensors that a run reads; made are those to close.
func (d *decoding) inputs(tokens []int, first bool) (inputs map[string]*onnx.Tensor, made []*onnx.Tensor, err error) {
	n := d.model.folder.Network
	ids, positions := make([]int64, len(tokens)), make([]int64, len(tokens))
	for i, token := range tokens {
		ids[i], positions[i] = int64(token), d.n+int64(i)
	}
	inputs = map[string]*onnx.Tensor{hiddenInput: d.hidden}
	add := func(name string, t *onnx.Tensor, failed error) {
		if failed != nil {
			err = errors.Join(err, unprepared(failed))
			return
		}
		inputs[name], made = t, append(made, t)
	}
	t, failed := onnx.NewTensor(ids, 1, int64(len(ids)))
	add(inputIDs, t, failed)
	t, failed = onnx.NewTensor([]bool{!first}, 1)
	add(useCache, t, failed)
	if d.model.decoder.HasInput(cachePosition) {
		t, failed = onnx.NewTensor(positions, int64(len(positions)))
		add(cachePosition, t, failed)
	}
	i := 0
	for layer := range n.DecoderLayers {
		for _, kind := range kinds {
			inputs[pastName(layer, sides[0], kind)] = d.past[i]
			inputs[pastName(layer, sides[1], kind)] = d.cross[i]
			i++
		}
	}
	return inputs, made, err
}
