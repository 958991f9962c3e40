package clap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// model is a loaded folder. Safe for concurrent use.
type model struct {
	name     string
	folder   *folder
	sessions map[string]*onnx.Session
	extract  *extractor
	// tokens is nil for a model without texts.
	tokens tokenizer.Text
	// scale multiplies the cosines of sounds and texts before the softmax.
	scale float64
}

// readFacts reads everything except the weights. The tokenizer is validated but not
// retained.
func readFacts(files modelstore.Folder) (facts, error) {
	f, err := readFolder(files)
	if err != nil {
		return facts{}, err
	}
	known := facts{folder: f}
	var problems []error
	if f.Network.ModelType == typeCLAP {
		_, err := readTokenizer(files)
		problems = append(problems, err)
	}
	for name, contract := range f.contracts(files) {
		file := files.AnyPrecision(name)
		signature, size, err := files.Signature(file)
		if err == nil {
			known.weights = known.weights.Plus(size)
			err = files.Fits(file, contract, signature)
		}
		problems = append(problems, err)
	}
	_, err = newExtractor(files.Name, f)
	known.problem = errors.Join(append(problems, err)...)
	return known, nil
}

// loadModel loads the folder's graphs after checking them against the configuration.
func loadModel(ctx context.Context, rt *onnx.Runtime, files modelstore.Folder, session onnx.SessionConfig) (
	m *model, size services.Bytes, err error,
) {
	f, err := readFolder(files)
	if err != nil {
		return nil, 0, err
	}
	m = &model{name: files.Name, folder: f, sessions: make(map[string]*onnx.Session), scale: f.Network.LogitScale}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.extract, err = newExtractor(files.Name, f); err != nil {
		return nil, 0, err
	}
	if f.Network.ModelType == typeCLAP {
		if m.tokens, err = readTokenizer(files); err != nil {
			return nil, 0, err
		}
	}
	for name, contract := range f.contracts(files) {
		graph, bytes, err := files.Graph(files.AnyPrecision(name))
		if err != nil {
			return nil, 0, err
		}
		if m.sessions[name], err = rt.OpenSession(graph, contract, session); err != nil {
			delete(m.sessions, name)
			return nil, 0, err
		}
		size += bytes
	}
	return m, size, m.findScale(ctx)
}

// Close unloads the model.
func (m *model) Close() error {
	var errs []error
	for _, session := range m.sessions {
		errs = append(errs, session.Close())
	}
	return errors.Join(errs...)
}

// session returns the graph of a part, which may be that of the whole model.
func (m *model) session(part string) *onnx.Session {
	if session, ok := m.sessions[part]; ok {
		return session
	}
	return m.sessions[wholeGraph]
}

// hasOutput reports whether a graph has an output.
func hasOutput(session *onnx.Session, name string) bool {
	_, ok := onnx.Find(session.Signature().Outputs, name)
	return ok
}

// space returns the space of the vectors that a task requests.
func (m *model) space(requested string) string {
	if m.tokens == nil || requested == tasks.SpaceSound {
		return tasks.SpaceSound
	}
	return tasks.SpaceCaption
}

// output returns the output of the audio graph, or of the graph that pools, that has the
// vectors of a space.
func (m *model) output(session *onnx.Session, space string) string {
	if space == tasks.SpaceSound && hasOutput(session, patternEmbeds) {
		return patternEmbeds
	}
	return audioEmbeds
}

// findScale determines the scale of a model whose graph computes the products of sounds and
// texts. The files do not have the learnt value.
func (m *model) findScale(ctx context.Context) error {
	whole := m.sessions[wholeGraph]
	if whole == nil || !hasOutput(whole, logitsPerAudio) {
		return nil
	}
	values, err := m.runWhole(ctx, m.extract.clip(tone(m.folder.Preprocessor.SampleRateHz)), m.dummyText())
	if err != nil {
		return err
	}
	sound, text := unit(values[audioEmbeds]), unit(values[textEmbeds])
	cosine := 0.0
	for i, v := range sound {
		cosine += float64(v) * float64(text[i])
	}
	if scale := float64(values[logitsPerAudio][0]) / cosine; scale > 1/maxScale && scale < maxScale {
		m.scale = scale
	}
	return nil
}

// tone returns half a second of a quiet tone.
func tone(rateHz int) []float32 {
	samples := make([]float32, rateHz/2)
	for i := range samples {
		samples[i] = 0.1 * float32(math.Sin(2*math.Pi*220*float64(i)/float64(rateHz)))
	}
	return samples
}

// unit scales a vector to the length one in place. A vector of zeros stays.
func unit(vector []float32) []float32 {
	sum := 0.0
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return vector
	}
	scale := 1 / math.Sqrt(sum)
	for i, v := range vector {
		vector[i] = float32(float64(v) * scale)
	}
	return vector
}

// tensors collects inputs of a run.
type tensors struct {
	list map[string]*onnx.Tensor
	err  error
}

func (t *tensors) put(name string, tensor *onnx.Tensor, err error) {
	if err != nil {
		t.err = errors.Join(t.err, err)
		return
	}
	if t.list == nil {
		t.list = make(map[string]*onnx.Tensor)
	}
	t.list[name] = tensor
}

func (t *tensors) close() { closeAll(t.list) }

func closeAll(list map[string]*onnx.Tensor) {
	for _, tensor := range list {
		tensor.Close()
	}
}

// run runs a graph and returns the wanted outputs, which have the given shapes. Outputs in
// half precision are preallocated, because the binding allocates them with a wrong size.
func (m *model) run(ctx context.Context, session *onnx.Session, in *tensors, wanted map[string][]int64) (map[string][]float32, error) {
	defer in.close()
	if in.err != nil {
		return nil, services.Internal(in.err, "the input of the model could not be prepared")
	}
	outputs := make(map[string]*onnx.Tensor)
	defer func() { closeAll(outputs) }()
	var checked []string
	for name, shape := range wanted {
		checked = append(checked, name)
		info, _ := onnx.Find(session.Signature().Outputs, name)
		if info.Type != onnx.Float16 {
			continue
		}
		size := onnx.Float16.Size()
		for _, dim := range shape {
			size *= dim
		}
		output, err := onnx.NewRawTensor(onnx.Float16, make([]byte, size), shape...)
		if err != nil {
			return nil, services.Internal(err, "the output of the model could not be prepared")
		}
		outputs[name] = output
	}
	if err := session.RunInto(ctx, in.list, outputs, checked...); err != nil {
		return nil, err
	}
	values := make(map[string][]float32, len(wanted))
	for name, shape := range wanted {
		got := outputs[name]
		if got == nil || !slices.Equal(got.Shape(), shape) {
			err := fmt.Errorf("%s: %s has another shape than %v of the configuration", m.name, name, shape)
			return nil, services.Internal(err, "the model returned an unusable result")
		}
		floats, err := onnx.Floats(got)
		if err != nil {
			return nil, services.Internal(err, "the model returned an unusable result")
		}
		values[name] = floats
	}
	return values, nil
}

// floatInput returns an input in the graph's precision.
func floatInput(session *onnx.Session, name string, values []float32, shape ...int64) (*onnx.Tensor, error) {
	info, _ := onnx.Find(session.Signature().Inputs, name)
	return onnx.NewFloatTensor(info.Type, values, shape...)
}
