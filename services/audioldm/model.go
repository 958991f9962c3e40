package audioldm

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// model is an open folder. A model from the pool has all its parts loaded and is safe
// for concurrent use. A staged model belongs to a task, which loads each part for its
// stage.
type model struct {
	name   string
	folder *folder
	tokens tokenizer.Text
	// sounds are those that it learnt; nil if the folder has no list.
	sounds *sounds
	open   func(part string) (*onnx.Session, error)
	staged bool
	// sessions are the loaded parts.
	sessions map[string]*onnx.Session
}

// newModel reads the configuration and loads no part.
func newModel(rt *onnx.Runtime, files modelstore.Folder, cfg onnx.SessionConfig) (*model, error) {
	f, err := readFolder(files)
	if err != nil {
		return nil, err
	}
	tokens, err := readTokenizer(files)
	if err != nil {
		return nil, err
	}
	list, err := readSounds(files)
	if err != nil {
		return nil, err
	}
	open := func(part string) (*onnx.Session, error) { return f.open(rt, files, part, cfg) }
	return &model{name: files.Name, folder: f, tokens: tokens, sounds: list, open: open, sessions: make(map[string]*onnx.Session)}, nil
}

// loadModel loads all parts after checking them against the configuration.
func loadModel(ctx context.Context, rt *onnx.Runtime, files modelstore.Folder, cfg onnx.SessionConfig) (*model, error) {
	// The parts run one after another, in the same memory.
	cfg.Pool = onnx.NewPool()
	defer cfg.Pool.Close()
	m, err := newModel(rt, files, cfg)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		if err := m.load(ctx, part); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

// load loads a part unless it is loaded.
func (m *model) load(ctx context.Context, part string) error {
	if m.sessions[part] != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load %s/%s: %w", m.name, part, err)
	}
	session, err := m.open(part)
	if err != nil {
		return err
	}
	m.sessions[part] = session
	return nil
}

// stage returns a part. If the model is staged, done unloads it.
func (m *model) stage(ctx context.Context, part string) (done func() error, err error) {
	if !m.staged {
		return func() error { return nil }, nil
	}
	if err := m.load(ctx, part); err != nil {
		return nil, loadFault(m.name, err)
	}
	return func() error {
		session := m.sessions[part]
		delete(m.sessions, part)
		return session.Close()
	}, nil
}

// loadFault returns the fault for a model that cannot be loaded, unless the client
// cancelled.
func loadFault(name string, err error) error {
	if services.KindOf(err) != services.KindInternal {
		return err
	}
	return services.Internal(err, "model %s cannot be loaded", name)
}

// Close unloads the model.
func (m *model) Close() (err error) {
	for _, session := range m.sessions {
		err = errors.Join(err, session.Close())
	}
	return err
}

// call runs a part that has a single output of the given shape.
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
			return nil, services.Internal(err, "the model returned an unusable result")
		}
	}
	return onnx.Values[float32](outputs[output])
}

func closeAll(tensors map[string]*onnx.Tensor) {
	for _, tensor := range tensors {
		tensor.Close()
	}
}

// tensors collects inputs and the first error.
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
		t.err = services.Internal(err, "the input of the model could not be prepared")
		return
	}
	if t.list == nil {
		t.list = make(map[string]*onnx.Tensor)
	}
	t.list[name] = tensor
}

// embed returns the text's embedding in CLAP's space, normalised to length one. Text
// beyond the model's limit is truncated.
func (m *model) embed(ctx context.Context, text string) ([]float32, error) {
	ids := m.tokens.Encode(text)
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

// predict runs the UNet on a batch: sample is [batch, channels, rows, width], labels
// [batch, projection].
func (m *model) predict(ctx context.Context, batch int, rows int64, sample []float32, timestep int, labels []float32) ([]float32, error) {
	shape := m.latentShape(int64(batch), rows)
	var in tensors
	put(&in, "sample", sample, shape...)
	put(&in, "class_labels", labels, int64(batch), int64(m.folder.text.Projection))
	if in.err == nil {
		if in.list["timestep"], in.err = timestepTensor(m.sessions[partUNet], int64(batch), timestep); in.err != nil {
			in.err = services.Internal(in.err, "the input of the model could not be prepared")
		}
	}
	if in.err != nil {
		closeAll(in.list)
		return nil, in.err
	}
	return m.call(ctx, partUNet, "out_sample", shape, in.list)
}

func (m *model) latentShape(batch, rows int64) []int64 {
	return []int64{batch, int64(m.folder.unet.Channels), rows, int64(m.folder.vocoder.Bands / m.folder.factor())}
}

// spectrogram decodes a latent to [frames, bands] of natural logarithms.
func (m *model) spectrogram(ctx context.Context, latent []float32, rows int64) ([]float32, error) {
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
	return m.call(ctx, partVAE, "sample", []int64{1, 1, frames, bands}, in.list)
}

// waveform returns the samples of a spectrogram: whole frames and a few more.
func (m *model) waveform(ctx context.Context, mel []float32) ([]float32, error) {
	bands := int64(m.folder.vocoder.Bands)
	var in tensors
	put(&in, "spectrogram", mel, 1, int64(len(mel))/bands, bands)
	if in.err != nil {
		return nil, in.err
	}
	return m.call(ctx, partVocoder, "waveform", []int64{1, 0}, in.list)
}
