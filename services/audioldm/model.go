package audioldm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name     string
	folder   *folder
	sessions map[string]*onnx.Session
	// timestepRank of the UNet's input.
	timestepRank int
}

// loadModel opens the four graphs and checks them against the configuration.
func loadModel(rt *onnx.Runtime, files modelstore.Folder, cfg onnx.SessionConfig) (_ *model, sum services.Bytes, err error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	m := &model{name: files.Name, folder: f, sessions: make(map[string]*onnx.Session), timestepRank: 1}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	for _, part := range parts {
		graph, bytes, err := files.Graph(part + "/model.onnx")
		if err != nil {
			return nil, 0, err
		}
		session, err := rt.OpenSession(graph, f.contract(part, 1), cfg)
		if part == partUNet && errors.Is(err, onnx.ErrContract) {
			var second error
			if session, second = rt.OpenSession(graph, f.contract(part, 0), cfg); second == nil {
				m.timestepRank, err = 0, nil
			}
		}
		if err != nil {
			return nil, 0, err
		}
		m.sessions[part] = session
		sum += bytes
	}
	return m, sum, nil
}

// Close unloads the model.
func (m *model) Close() (err error) {
	for _, session := range m.sessions {
		err = errors.Join(err, session.Close())
	}
	return err
}

// call runs a part whose only output has the shape given.
func (m *model) call(ctx context.Context, part, output string, shape []int64, inputs map[string]*onnx.Tensor) ([]float32, error) {
	defer closeAll(inputs)
	outputs, err := m.sessions[part].Run(ctx, inputs)
	defer closeAll(outputs)
	if err != nil {
		return nil, err
	}
	got := outputs[output].Shape()
	for i, want := range shape {
		if i >= len(got) || want > 0 && got[i] != want {
			err := fmt.Errorf("%s/%s: %s has shape %v, the configuration makes it %v", m.name, part, output, got, shape)
			return nil, services.Internal(err, "the model gave an unusable answer")
		}
	}
	return onnx.Values[float32](outputs[output])
}

func closeAll(tensors map[string]*onnx.Tensor) {
	for _, tensor := range tensors {
		tensor.Close()
	}
}

// tensors collects inputs; the first error stays.
type tensors struct {
	list map[string]*onnx.Tensor
	err  error
}

func put[T onnx.Element](t *tensors, name string, values []T, shape ...int64) {
	if t.err != nil {
		return
	}
	tensor, err := onnx.NewTensor(values, shape...)
	if err != nil {
		t.err = services.Internal(err, "the input could not be handed to the model")
		return
	}
	if t.list == nil {
		t.list = make(map[string]*onnx.Tensor)
	}
	t.list[name] = tensor
}

// embed gives the text's place in CLAP's space, of length one. Text beyond the
// model's limit is cut off.
func (m *model) embed(ctx context.Context, text string) ([]float32, error) {
	ids := m.folder.tokens.Encode(text)
	ids = ids[:min(len(ids), m.folder.maxTokens-2)]
	input := make([]int64, 0, len(ids)+2)
	input = append(input, int64(m.folder.text.BOS))
	for _, id := range ids {
		input = append(input, int64(id))
	}
	input = append(input, int64(m.folder.text.EOS))
	mask := make([]int64, len(input))
	for i := range mask {
		mask[i] = 1
	}
	var in tensors
	put(&in, "input_ids", input, 1, int64(len(input)))
	if m.sessions[partText].HasInput("attention_mask") {
		put(&in, "attention_mask", mask, 1, int64(len(input)))
	}
	if in.err != nil {
		closeAll(in.list)
		return nil, in.err
	}
	values, err := m.call(ctx, partText, "text_embeds", []int64{1, int64(m.folder.text.Projection)}, in.list)
	if err != nil {
		return nil, err
	}
	squares := 0.0
	for _, v := range values {
		squares += float64(v) * float64(v)
	}
	norm := float32(max(math.Sqrt(squares), 1e-12))
	for i := range values {
		values[i] /= norm
	}
	return values, nil
}

// predict asks the UNet for a batch: sample is [batch, channels, rows, width],
// labels [batch, projection].
func (m *model) predict(ctx context.Context, batch int, rows int64, sample []float32, timestep int, labels []float32) ([]float32, error) {
	shape := m.latentShape(int64(batch), rows)
	var in tensors
	put(&in, "sample", sample, shape...)
	times := slices.Repeat([]int64{int64(timestep)}, m.timesteps(batch))
	if m.timestepRank == 0 {
		put(&in, "timestep", times)
	} else {
		put(&in, "timestep", times, int64(len(times)))
	}
	put(&in, "class_labels", labels, int64(batch), int64(m.folder.text.Projection))
	if in.err != nil {
		closeAll(in.list)
		return nil, in.err
	}
	return m.call(ctx, partUNet, "out_sample", shape, in.list)
}

// timesteps that the UNet takes for a batch: exporters write a scalar, one for
// all, or one for each.
func (m *model) timesteps(batch int) int {
	for _, input := range m.sessions[partUNet].Signature().Inputs {
		if input.Name == "timestep" && (len(input.Dims) == 0 || input.Dims[0] == 1) {
			return 1
		}
	}
	return batch
}

func (m *model) latentShape(batch, rows int64) []int64 {
	return []int64{batch, int64(m.folder.unet.Channels), rows, int64(m.folder.vocoder.Bands / m.folder.factor())}
}

// sound decodes a latent to a waveform.
func (m *model) sound(ctx context.Context, latent []float32, rows int64) ([]float32, error) {
	scaled := make([]float32, len(latent))
	for i, v := range latent {
		scaled[i] = v / float32(m.folder.vae.Scaling)
	}
	frames, bands := rows*int64(m.folder.factor()), int64(m.folder.vocoder.Bands)
	var in tensors
	put(&in, "latent_sample", scaled, m.latentShape(1, rows)...)
	if in.err != nil {
		return nil, in.err
	}
	mel, err := m.call(ctx, partVAE, "sample", []int64{1, 1, frames, bands}, in.list)
	if err != nil {
		return nil, err
	}
	in = tensors{}
	put(&in, "spectrogram", mel, 1, frames, bands)
	if in.err != nil {
		return nil, in.err
	}
	return m.call(ctx, partVocoder, "waveform", []int64{1, 0}, in.list)
}
