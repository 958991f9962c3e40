package gama

import (
	"context"
	"errors"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Names in the graphs, as in transformers.js.
const (
	inputFeatures = "input_features"
	audioValues   = "audio_values"
	audioFeatures = "audio_features"
	inputIDs      = "input_ids"
	inputsEmbeds  = "inputs_embeds"
	attentionMask = "attention_mask"
	positionIDs   = "position_ids"
	useCache      = "use_cache_branch"
	logitsToKeep  = "num_logits_to_keep"
	logitsOutput  = "logits"
)

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name string
	// version is the state of the folder that it was loaded from.
	version   string
	folder    *folder
	extractor *extractor
	encoder   *onnx.Session
	embedder  *onnx.Session
	decoder   *onnx.Session
	// kvType is the type of the cache's elements.
	kvType onnx.ElementType
}

// loadModel loads the folder's graphs after checking them against its configuration.
func loadModel(rt *onnx.Runtime, files modelstore.Folder, session onnx.SessionConfig) (loaded *model, bytes services.Bytes, err error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	m := &model{name: files.Name, version: files.Version(), folder: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.extractor, err = newExtractor(f.Preprocessor, f.Network.AudioPart.MaxFrames); err != nil {
		return nil, 0, err
	}
	// The graphs run one after another, in the same memory.
	session.Pool = onnx.NewPool()
	defer session.Pool.Close()
	targets := []**onnx.Session{&m.encoder, &m.embedder, &m.decoder}
	contracts := []onnx.Contract{f.encoderContract(), f.embedderContract(), f.decoderContract()}
	for i, name := range graphNames {
		graph, size, err := f.graph(files, name)
		if err != nil {
			return nil, 0, errors.Join(err, m.Close())
		}
		if *targets[i], err = rt.OpenSession(graph, contracts[i], session); err != nil {
			return nil, 0, errors.Join(err, m.Close())
		}
		bytes += size
	}
	if !m.encoder.HasInput(inputFeatures) && !m.encoder.HasInput(audioValues) {
		return nil, 0, fmt.Errorf("%s: %w: it takes neither %s nor %s", encoderGraph, onnx.ErrContract, inputFeatures, audioValues)
	}
	info, _ := onnx.Find(m.decoder.Signature().Inputs, decoding.Shape{}.PastName(0, "key"))
	m.kvType = info.Type
	return m, bytes, nil
}

func (f *folder) encoderContract() onnx.Contract {
	dims := []int64{0, 0, int64(f.Preprocessor.MelBins)}
	if f.Preprocessor.isWhisper() {
		dims = []int64{0, int64(f.Preprocessor.MelBins)}
	}
	output := onnx.TensorSpec{Name: audioFeatures, Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, f.Network.TextPart.HiddenSize}}
	output.AnyRank = f.Preprocessor.isWhisper() // some have rows without a batch
	return onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputFeatures, Type: onnx.Float32, Rank: 3, Dims: dims, Optional: true},
			{Name: audioValues, Type: onnx.Float32, Rank: 3, Dims: dims, Optional: true},
		},
		Outputs: []onnx.TensorSpec{output},
	}
}

func (f *folder) embedderContract() onnx.Contract {
	return onnx.Contract{
		Inputs:  []onnx.TensorSpec{{Name: inputIDs, Type: onnx.Int64, Rank: 2}},
		Outputs: []onnx.TensorSpec{{Name: inputsEmbeds, Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, f.Network.TextPart.HiddenSize}}},
	}
}

func (f *folder) decoderContract() onnx.Contract {
	t := f.Network.TextPart
	c := onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputsEmbeds, Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, t.HiddenSize}},
			{Name: attentionMask, Type: onnx.Int64, Rank: 2},
			{Name: positionIDs, Type: onnx.Int64, Rank: 2, Optional: true},
			{Name: useCache, Type: onnx.Bool, Rank: 1, Optional: true},
			{Name: logitsToKeep, Type: onnx.Int64, Rank: 0, Optional: true},
		},
		Outputs: []onnx.TensorSpec{{Name: logitsOutput, Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, t.VocabSize}}},
	}
	spec := onnx.TensorSpec{Type: onnx.Float32, Or: onnx.Float16, Rank: 4, Dims: []int64{0, t.KVHeads, 0, t.HeadDim}}
	pasts, presents := decoding.Shape{Layers: t.Layers}.Names()
	for i := range pasts {
		spec.Name = pasts[i]
		c.Inputs = append(c.Inputs, spec)
		spec.Name = presents[i]
		c.Outputs = append(c.Outputs, spec)
	}
	return c
}

// cacheShape returns the shape of the decoder's cache.
func (m *model) cacheShape() decoding.Shape {
	t := m.folder.Network.TextPart
	return decoding.Shape{Layers: t.Layers, Heads: t.KVHeads, Dim: t.HeadDim, Kind: m.kvType}
}

// Close unloads the model.
func (m *model) Close() error {
	var err error
	for _, session := range []*onnx.Session{m.encoder, m.embedder, m.decoder} {
		if session != nil {
			err = errors.Join(err, session.Close())
		}
	}
	return err
}

// encoded is the encoder's output for a window of sound.
type encoded struct {
	rows []float32 // [count, hidden]
	n    int64
}

// encode runs the audio encoder on one window of mono samples, which it modifies.
func (m *model) encode(ctx context.Context, samples []float32) (*encoded, error) {
	cfg := m.folder.Preprocessor
	if m.extractor.frames(len(samples)) == 0 {
		return nil, services.Invalidf("file", "lasts %.3f s; the minimum is %.3f s",
			float64(len(samples))/float64(cfg.SamplingRate), float64(m.extractor.shortest())/float64(cfg.SamplingRate))
	}
	features, shape := m.extractor.features(samples)
	tensor, err := onnx.NewTensor(features, 1, shape[0], shape[1])
	if err != nil {
		return nil, services.Internal(err, "the input of the model could not be prepared")
	}
	defer tensor.Close()
	if err := services.Yield(ctx); err != nil { // between the features and the encoder
		return nil, err
	}
	inputs := map[string]*onnx.Tensor{inputFeatures: tensor, audioValues: tensor}
	rows, shape, err := runOne(ctx, m.encoder, inputs, audioFeatures)
	if err != nil {
		return nil, err
	}
	if len(shape) == 2 { // without the batch, as Voxtral's graphs have it
		shape = append([]int64{1}, shape...)
	}
	if len(shape) != 3 || shape[0] != 1 || shape[2] != m.folder.Network.TextPart.HiddenSize || shape[1] < 1 ||
		m.folder.Network.NumAudio > 0 && shape[1] != m.folder.Network.NumAudio {
		err := fmt.Errorf("%s: audio_features have shape %v, config.json makes it [1 %d %d]", m.name, shape, m.folder.Network.NumAudio,
			m.folder.Network.TextPart.HiddenSize)
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	return &encoded{rows: rows, n: shape[1]}, nil
}

// buffers returns the memory of a piece of a recording with so many samples, and of its
// features.
func (m *model) buffers(samples int) services.Bytes {
	features := m.extractor.frames(samples) * m.folder.Preprocessor.MelBins
	return services.Bytes(4 * (2*samples + features))
}

// embed returns the embeddings of token ids, [len(ids), hidden].
func (m *model) embed(ctx context.Context, ids []int64) ([]float32, error) {
	tensor, err := onnx.NewTensor(ids, 1, int64(len(ids)))
	if err != nil {
		return nil, services.Internal(err, "the input of the model could not be prepared")
	}
	defer tensor.Close()
	rows, shape, err := runOne(ctx, m.embedder, map[string]*onnx.Tensor{inputIDs: tensor}, inputsEmbeds)
	if err != nil {
		return nil, err
	}
	if len(shape) != 3 || shape[1] != int64(len(ids)) || shape[2] != m.folder.Network.TextPart.HiddenSize {
		err := fmt.Errorf("%s: inputs_embeds have shape %v for %d ids", m.name, shape, len(ids))
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	return rows, nil
}

// runOne runs a graph with one float output and returns that without copying it.
func runOne(ctx context.Context, session *onnx.Session, inputs map[string]*onnx.Tensor, output string) ([]float32, []int64, error) {
	outputs, err := session.Run(ctx, inputs)
	if err != nil {
		return nil, nil, err
	}
	tensor := outputs[output]
	defer tensor.Close()
	values, err := onnx.Values[float32](tensor)
	if err != nil {
		return nil, nil, services.Internal(err, "the model returned an unusable result")
	}
	return append([]float32(nil), values...), append([]int64(nil), tensor.Shape()...), nil
}
