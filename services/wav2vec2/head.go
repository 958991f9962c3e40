package wav2vec2

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Heads of the networks, named as in config.json's architectures.
const (
	headCTC      = "Wav2Vec2ForCTC"
	headFeatures = "Wav2Vec2Model"
	headSequence = "Wav2Vec2ForSequenceClassification"
	headFrames   = "Wav2Vec2ForAudioFrameClassification"
	headXVector  = "Wav2Vec2ForXVector"
)

// kin are the names of networks with the same inputs, outputs and heads, as in
// architectures: HubertForCTC has the head Wav2Vec2ForCTC. A name stands before its beginnings.
var kin = []string{"Wav2Vec2Conformer", "Hubert", "WavLM", "Data2VecAudio", "UniSpeechSat", "UniSpeech", "SEWD", "SEW"}

var heads = []string{headCTC, headFeatures, headSequence, headFrames, headXVector}

// taskHeads has the supported heads of each task.
var taskHeads = map[string][]string{
	tasks.Transcribe: {headCTC},
	tasks.Embed:      {headFeatures, headXVector},
	tasks.Classify:   {headSequence, headFrames},
}

// CanDo implements services.TaskChooser.
func (s *Service) CanDo(model, task string) bool {
	_, f, err := s.shelf.Find(model)
	return err == nil && slices.Contains(taskHeads[task], f.Head)
}

// Suits implements services.TaskJudge: texts are for models that read or write them.
func (s *Service) Suits(task services.Task) bool {
	var params struct {
		Text   string   `json:"text"`
		Labels []string `json:"labels"`
		Space  string   `json:"space"`
		// Translate is for models that write text.
		Translate bool `json:"translate"`
	}
	if len(task.Params) == 0 || json.Unmarshal(task.Params, &params) != nil {
		return true
	}
	return params.Text == "" && len(params.Labels) == 0 && !params.Translate && params.Space != tasks.SpaceCaption
}

var (
	_ services.TaskChooser = (*Service)(nil)
	_ services.TaskJudge   = (*Service)(nil)
)

// problemMultiLabel is the problem_type in config.json of a model whose labels are not
// exclusive.
const problemMultiLabel = "multi_label_classification"

// readHead determines the head and its labels. The default is the CTC head.
func (f *folder) readHead(name string) error {
	f.Head = headCTC
	if given := f.Network.Architectures; len(given) > 0 {
		known := slices.IndexFunc(given, func(one string) bool { return slices.Contains(heads, headOf(one)) })
		if known < 0 {
			return fmt.Errorf("%s/config.json: architectures must have one of %s, got %s", name, strings.Join(heads, ", "),
				limits.Quote(strings.Join(given, ", ")))
		}
		f.Head = headOf(given[known])
	}
	if f.Head != headSequence && f.Head != headFrames {
		return nil
	}
	if len(f.Network.ID2Label) == 0 { // as in transformers
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

// headOf returns the head that an architecture has.
func headOf(architecture string) string {
	for _, name := range kin {
		if rest, ok := strings.CutPrefix(architecture, name); ok {
			return "Wav2Vec2" + rest
		}
	}
	return architecture
}

// output returns the name of the head's output and its width, which is the number of
// values per frame, or per recording if the head has no frames.
func (f *folder) output() (name string, width int64) {
	switch f.Head {
	case headFeatures:
		return "last_hidden_state", f.Network.HiddenSize
	case headXVector:
		return "embeddings", f.Network.XVectorSize
	case headSequence, headFrames:
		return logitsOutput, int64(len(f.Labels))
	default:
		return logitsOutput, int64(f.Network.VocabSize)
	}
}

// whole reports whether the head has one output for a recording, instead of one for each frame.
func (f *folder) whole() bool { return f.Head == headSequence || f.Head == headXVector }

// shape returns the shape of the output for a window of the given number of samples.
func (f *folder) shape(samples int64) []int64 {
	_, width := f.output()
	if f.whole() {
		return []int64{1, width}
	}
	return []int64{1, f.Network.frames(samples), width}
}

// contract returns the required inputs and outputs of the graph. Half-precision exports
// may have half-precision inputs and outputs.
func (f *folder) contract() onnx.Contract {
	name, width := f.output()
	output := onnx.TensorSpec{Name: name, Type: onnx.Float32, Or: onnx.Float16, Rank: 3, Dims: []int64{0, 0, width}}
	if f.whole() {
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
