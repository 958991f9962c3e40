package wav2vec2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Heads of the networks, as config.json's architectures names them.
const (
	headCTC      = "Wav2Vec2ForCTC"
	headFeatures = "Wav2Vec2Model"
	headSequence = "Wav2Vec2ForSequenceClassification"
	headFrames   = "Wav2Vec2ForAudioFrameClassification"
)

var heads = []string{headCTC, headFeatures, headSequence, headFrames}

// taskHeads says which heads a task can do with.
var taskHeads = map[string][]string{
	tasks.Transcribe: {headCTC},
	tasks.Embed:      {headFeatures},
	tasks.Classify:   {headSequence, headFrames},
}

// problemMultiLabel is config.json's problem_type of a model whose labels do not
// exclude each other.
const problemMultiLabel = "multi_label_classification"

// readHead finds the head and its labels. A folder that names no architecture has
// the CTC head.
func (f *folder) readHead(name string) error {
	f.Head = headCTC
	if given := f.Network.Architectures; len(given) > 0 {
		known := slices.IndexFunc(given, func(one string) bool { return slices.Contains(heads, one) })
		if known < 0 {
			return fmt.Errorf("%s/config.json: architectures must have one of %s, got %s", name, strings.Join(heads, ", "), limits.Quote(strings.Join(given, ", ")))
		}
		f.Head = given[known]
	}
	if f.Head != headSequence && f.Head != headFrames {
		return nil
	}
	if len(f.Network.ID2Label) == 0 { // as transformers has it
		f.Labels = []string{"LABEL_0", "LABEL_1"}
		return nil
	}
	f.Labels = make([]string, len(f.Network.ID2Label))
	for i := range f.Labels {
		label, ok := f.Network.ID2Label[strconv.Itoa(i)]
		if !ok {
			return fmt.Errorf("%s/config.json: id2label has %d labels but none for %d", name, len(f.Labels), i)
		}
		if len(label) > limits.TokenBytes {
			return fmt.Errorf("%s/config.json: id2label[%d] must be at most %d bytes, got %d", name, i, limits.TokenBytes, len(label))
		}
		f.Labels[i] = label
	}
	return nil
}

// output is the name of what the head gives, and its width: the number of values
// for each frame, or for the whole where the head has none.
func (f *folder) output() (name string, width int64) {
	switch f.Head {
	case headFeatures:
		return "last_hidden_state", f.Network.HiddenSize
	case headSequence, headFrames:
		return logitsOutput, int64(len(f.Labels))
	default:
		return logitsOutput, int64(f.Network.VocabSize)
	}
}

// shape of the output for one window of so many samples.
func (f *folder) shape(samples int64) []int64 {
	_, width := f.output()
	if f.Head == headSequence {
		return []int64{1, width}
	}
	return []int64{1, f.Network.frames(samples), width}
}

// contract is what the graph must take and give. Exports in half precision may
// have half inputs and outputs too.
func (f *folder) contract() onnx.Contract {
	name, width := f.output()
	output := onnx.TensorSpec{Name: name, Type: onnx.Float32, Or: onnx.Float16, Rank: 3, Dims: []int64{0, 0, width}}
	if f.Head == headSequence {
		output.Rank, output.Dims = 2, []int64{0, width}
	}
	return onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputValues, Type: onnx.Float32, Or: onnx.Float16, Rank: 2},
			{Name: attentionMask, Type: onnx.Int64, Rank: 2, Optional: true},
		},
		Outputs: []onnx.TensorSpec{output},
	}
}
