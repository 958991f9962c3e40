package clap

import (
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/services/onnx"
)

// putFeatures adds the inputs of the audio encoder: features of one clip.
func (m *model) putFeatures(session *onnx.Session, in *tensors, features []float32) {
	channels, bands := m.folder.channels(), m.folder.Network.Audio.Bands
	rows := int64(len(features)) / channels / bands
	tensor, err := floatInput(session, inputFeatures, features, 1, channels, rows, bands)
	in.put(inputFeatures, tensor, err)
	if session.HasInput(isLonger) {
		// ClapFeatureExtractor sets it for one clip of each batch that is to be fused.
		tensor, err := onnx.NewTensor([]bool{m.folder.Preprocessor.Truncation == truncationFusion}, 1, 1)
		in.put(isLonger, tensor, err)
	}
}

// putText adds the inputs of the text encoder: a batch of ids, padded to the same length.
func (m *model) putText(session *onnx.Session, in *tensors, batch [][]int64) {
	length := 0
	for _, ids := range batch {
		length = max(length, len(ids))
	}
	ids := slices.Repeat([]int64{m.folder.Network.Text.Pad}, length*len(batch))
	mask := make([]int64, length*len(batch))
	for i, row := range batch {
		copy(ids[i*length:], row)
		for j := range row {
			mask[i*length+j] = 1
		}
	}
	shape := []int64{int64(len(batch)), int64(length)}
	tensor, err := onnx.NewTensor(ids, shape...)
	in.put(inputIDs, tensor, err)
	if session.HasInput(attentionMask) {
		tensor, err := onnx.NewTensor(mask, shape...)
		in.put(attentionMask, tensor, err)
	}
}

// dummyText returns the ids of an empty text.
func (m *model) dummyText() [][]int64 {
	return [][]int64{{m.folder.Network.Text.BOS, m.folder.Network.Text.EOS}}
}

// runWhole runs a graph that has both encoders.
func (m *model) runWhole(ctx context.Context, features []float32, batch [][]int64) (map[string][]float32, error) {
	session := m.sessions[wholeGraph]
	in := new(tensors)
	m.putFeatures(session, in, features)
	m.putText(session, in, batch)
	wanted := map[string][]int64{
		audioEmbeds: {1, m.folder.Network.Projection}, textEmbeds: {int64(len(batch)), m.folder.Network.Projection},
	}
	if hasOutput(session, logitsPerAudio) {
		wanted[logitsPerAudio] = []int64{1, int64(len(batch))}
	}
	return m.run(ctx, session, in, wanted)
}

// clip returns the vector of a clip of at most the longest length, or for an AST model with
// labels its logits.
func (m *model) clip(ctx context.Context, samples []float32, space string) ([]float32, error) {
	features := m.extract.clip(samples)
	if m.folder.Network.ModelType == typeAST {
		return m.astClip(ctx, features)
	}
	session := m.session(audioGraph)
	if session == m.sessions[wholeGraph] {
		values, err := m.runWhole(ctx, features, m.dummyText())
		return values[audioEmbeds], err
	}
	in := new(tensors)
	m.putFeatures(session, in, features)
	name := m.output(session, space)
	values, err := m.run(ctx, session, in, map[string][]int64{name: {1, m.folder.Network.Projection}})
	return values[name], err
}

// astClip runs an AST model.
func (m *model) astClip(ctx context.Context, features []float32) ([]float32, error) {
	session, p := m.sessions[wholeGraph], m.folder.Preprocessor
	in := new(tensors)
	tensor, err := floatInput(session, inputValues, features, 1, int64(p.MaxLength), int64(p.MelBins))
	in.put(inputValues, tensor, err)
	name, width := poolerOutput, m.folder.Network.Hidden
	if m.folder.Head == headLabels {
		name, width = logitsOutput, int64(len(m.folder.Labels))
	}
	values, err := m.run(ctx, session, in, map[string][]int64{name: {1, width}})
	return values[name], err
}

// frames returns the frames of rows of the spectrogram, of shape [frames, hidden].
func (m *model) frames(ctx context.Context, rows []float32) ([]float32, error) {
	session := m.sessions[audioGraph]
	in := new(tensors)
	m.putFeatures(session, in, rows)
	each := int(m.folder.Network.Audio.Bands) * m.folder.rowsPerFrame()
	count := int64((len(rows) + each - 1) / each)
	values, err := m.run(ctx, session, in, map[string][]int64{hiddenState: {1, count, m.folder.Network.Audio.Hidden}})
	return values[hiddenState], err
}

// pool returns the vectors of a batch of windows of frames, which have one length.
func (m *model) pool(ctx context.Context, frames, weights []float32, batch int64, space string) ([]float32, error) {
	session := m.sessions[poolGraph]
	length := int64(len(weights)) / batch
	in := new(tensors)
	tensor, err := floatInput(session, framesInput, frames, batch, length, m.folder.Network.Audio.Hidden)
	in.put(framesInput, tensor, err)
	tensor, err = floatInput(session, weightsInput, weights, batch, length)
	in.put(weightsInput, tensor, err)
	name := m.output(session, space)
	values, err := m.run(ctx, session, in, map[string][]int64{name: {batch, m.folder.Network.Projection}})
	return values[name], err
}
