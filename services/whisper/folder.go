package whisper

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// modelType is the model_type in config.json of supported folders.
const modelType = "whisper"

// networkConfig is the used part of config.json.
type networkConfig struct {
	VocabSize      int64 `json:"vocab_size"`
	MelBins        int64 `json:"num_mel_bins"`
	Width          int64 `json:"d_model"`
	EncoderLayers  int64 `json:"encoder_layers"`
	EncoderHeads   int64 `json:"encoder_attention_heads"`
	EncoderInner   int64 `json:"encoder_ffn_dim"`
	DecoderLayers  int64 `json:"decoder_layers"`
	DecoderHeads   int64 `json:"decoder_attention_heads"`
	SourceFrames   int64 `json:"max_source_positions"`
	TargetPosition int64 `json:"max_target_positions"`
	StartToken     int64 `json:"decoder_start_token_id"`
	EndToken       int64 `json:"eos_token_id"`
	// MedianWidth is the width of the filter of the attention that times of words are from.
	MedianWidth int `json:"median_filter_width"`
	// Older folders have these here and not in generation_config.json.
	Suppress      []int64 `json:"suppress_tokens"`
	BeginSuppress []int64 `json:"begin_suppress_tokens"`
}

// preprocessorConfig is the used part of preprocessor_config.json.
type preprocessorConfig struct {
	FeatureSize  int `json:"feature_size"`
	SamplingRate int `json:"sampling_rate"`
	FFT          int `json:"n_fft"`
	HopLength    int `json:"hop_length"`
	ChunkLength  int `json:"chunk_length"`
}

// generationConfig is the used part of generation_config.json.
type generationConfig struct {
	Suppress          []int64          `json:"suppress_tokens"`
	BeginSuppress     []int64          `json:"begin_suppress_tokens"`
	NoTimestamps      *int64           `json:"no_timestamps_token_id"`
	LatestFirst       *int64           `json:"max_initial_timestamp_index"`
	Languages         map[string]int64 `json:"lang_to_id"`
	Tasks             map[string]int64 `json:"task_to_id"`
	PreviousStart     *int64           `json:"prev_sot_token_id"`
	MultilingualModel *bool            `json:"is_multilingual"`
	// AlignmentHeads are a layer and a head each.
	AlignmentHeads [][2]int64 `json:"alignment_heads"`
}

// folder is the parsed configuration of a model.
type folder struct {
	Network      networkConfig
	Preprocessor preprocessorConfig
	Generation   generationConfig
	// Aligned reports whether the decoder exports the attention that times of words need.
	Aligned bool
	// Special are the ids of special tokens.
	Special specialTokens
}

// specialTokens are ids; -1 for one that the model does not have.
type specialTokens struct {
	start, end, noTimestamps, firstTimestamp, noSpeech, previous, transcribe, translate int
	// languages by their code; empty for a model of English.
	languages map[string]int
}

// readFolder reads and checks everything but the weights.
func readFolder(files modelstore.Folder) (*folder, error) {
	f := &folder{Preprocessor: preprocessorConfig{FeatureSize: 80, SamplingRate: 16000, FFT: 400, HopLength: 160, ChunkLength: 30}}
	f.Network.MedianWidth = defaultMedian
	if err := files.ReadJSON("config.json", &f.Network); err != nil {
		return nil, err
	}
	for name, into := range map[string]any{"preprocessor_config.json": &f.Preprocessor, "generation_config.json": &f.Generation} {
		if err := files.ReadJSON(name, into); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := f.check(files.Name); err != nil {
		return nil, err
	}
	if f.Generation.Suppress == nil {
		f.Generation.Suppress = f.Network.Suppress
	}
	if f.Generation.BeginSuppress == nil {
		f.Generation.BeginSuppress = f.Network.BeginSuppress
	}
	return f, nil
}

// Bounds of a network: those of the largest known model, with room.
const (
	maxLayers    = 128
	maxWidth     = 8192
	maxPositions = 4096
	maxMedian    = 99
	maxAligned   = 4096
)

func (f *folder) check(name string) error {
	network, p := limits.Of(name+"/config.json"), limits.Of(name+"/preprocessor_config.json")
	n := f.Network
	network.Int("vocab_size", n.VocabSize, 1, limits.Vocabulary)
	network.Int("num_mel_bins", n.MelBins, 1, 512)
	network.Int("d_model", n.Width, 1, maxWidth)
	network.Int("encoder_layers", n.EncoderLayers, 1, maxLayers)
	network.Int("decoder_layers", n.DecoderLayers, 1, maxLayers)
	network.Int("encoder_attention_heads", n.EncoderHeads, 1, maxWidth)
	network.Int("encoder_ffn_dim", n.EncoderInner, 1, 8*maxWidth)
	network.Int("decoder_attention_heads", n.DecoderHeads, 1, n.Width)
	network.Int("max_source_positions", n.SourceFrames, 1, maxPositions)
	network.Int("max_target_positions", n.TargetPosition, 8, maxPositions)
	network.Int("decoder_start_token_id", n.StartToken, 0, n.VocabSize-1)
	network.Int("eos_token_id", n.EndToken, 0, n.VocabSize-1)
	p.Int("feature_size", int64(f.Preprocessor.FeatureSize), n.MelBins, n.MelBins)
	p.Int("sampling_rate", int64(f.Preprocessor.SamplingRate), 16000, 16000)
	p.Int("n_fft", int64(f.Preprocessor.FFT), 16, 1<<14)
	p.Int("hop_length", int64(f.Preprocessor.HopLength), 1, int64(f.Preprocessor.FFT))
	p.Int("chunk_length", int64(f.Preprocessor.ChunkLength), 1, 60)
	network.Int("median_filter_width", int64(n.MedianWidth), 1, maxMedian)
	g := limits.Of(name + "/generation_config.json")
	g.Count("alignment_heads", len(f.Generation.AlignmentHeads), 0, maxAligned)
	for i, head := range f.Generation.AlignmentHeads {
		g.Int(fmt.Sprintf("alignment_heads[%d][0]", i), head[0], 0, n.DecoderLayers-1)
		g.Int(fmt.Sprintf("alignment_heads[%d][1]", i), head[1], 0, n.DecoderHeads-1)
	}
	if err := errors.Join(network.Err(), p.Err(), g.Err()); err != nil {
		return err
	}
	if n.MedianWidth%2 == 0 {
		return fmt.Errorf("%s/config.json: median_filter_width must be odd, got %d", name, n.MedianWidth)
	}
	if n.Width%n.DecoderHeads != 0 {
		return fmt.Errorf("%s/config.json: d_model must be a multiple of decoder_attention_heads, got %d and %d", name, n.Width, n.DecoderHeads)
	}
	if frames := int64(f.frames()); frames != 2*n.SourceFrames {
		return fmt.Errorf("%s/config.json: max_source_positions must be half of the %d frames of a window, got %d",
			name, frames, n.SourceFrames)
	}
	return nil
}

// frames returns the number of frames of a window.
func (f *folder) frames() int {
	p := f.Preprocessor
	return p.ChunkLength * p.SamplingRate / p.HopLength
}

// secondsPerToken returns the step of a timestamp: two frames.
func (f *folder) secondsPerToken() float64 {
	return 2 * float64(f.Preprocessor.HopLength) / float64(f.Preprocessor.SamplingRate)
}

// readTokenizer returns the tokenizer, and finds the special tokens in it.
func (f *folder) readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	data, err := files.ReadFile("tokenizer.json")
	if err != nil {
		return nil, err
	}
	text, err := tokenizer.FromJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s/%w", files.Name, err)
	}
	id := func(names ...string) int {
		for _, name := range names {
			if id, ok := text.ID(name); ok && int64(id) < f.Network.VocabSize {
				return id
			}
		}
		return -1
	}
	s := specialTokens{
		start: int(f.Network.StartToken), end: int(f.Network.EndToken), noTimestamps: id("<|notimestamps|>"),
		noSpeech: id("<|nospeech|>", "<|nocaptions|>"), previous: id("<|startofprev|>"),
		transcribe: id("<|transcribe|>"), translate: id("<|translate|>"), languages: make(map[string]int),
	}
	if f.Generation.NoTimestamps != nil {
		s.noTimestamps = int(*f.Generation.NoTimestamps)
	}
	if s.noTimestamps < 0 || int64(s.noTimestamps)+2 > f.Network.VocabSize {
		return nil, fmt.Errorf("%s: the token <|notimestamps|> is missing", files.Name)
	}
	s.firstTimestamp = s.noTimestamps + 1
	for name, id := range f.known() {
		if id >= 0 && id < f.Network.VocabSize {
			s.languages[strings.Trim(name, "<|>")] = int(id)
		}
	}
	if len(s.languages) > 0 && s.transcribe < 0 {
		return nil, fmt.Errorf("%s: the token <|transcribe|> is missing", files.Name)
	}
	f.Special = s
	return text, nil
}

// known returns the languages of the model by their tokens; none for a model of English.
func (f *folder) known() map[string]int64 {
	if m := f.Generation.MultilingualModel; m != nil && !*m {
		return nil
	}
	return f.Generation.Languages
}

// translates reports whether the model can translate into English: it knows several
// languages, and has the token of the task.
func (f *folder) translates() bool { return len(f.known()) > 0 && f.Special.translate >= 0 }

// monolingual says why the model does not translate.
func (f *folder) monolingual() string {
	if len(f.known()) == 0 {
		return "it knows English only"
	}
	return "its tokenizer has no <|translate|>"
}

// languages returns the codes of the languages, sorted; none for a model of English.
func (f *folder) languages() []string {
	var codes []string
	for code := range f.Special.languages {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// Names of the graphs, and of their inputs and outputs, as exported by Optimum.
const (
	encoderGraph = "encoder_model.onnx"
	decoderGraph = "decoder_model_merged.onnx"

	inputFeatures = "input_features"
	hiddenOutput  = "last_hidden_state"
	inputIDs      = "input_ids"
	hiddenInput   = "encoder_hidden_states"
	useCache      = "use_cache_branch"
	cachePosition = "cache_position"
	logitsOutput  = "logits"
)

// attentionName returns the name of the output with the attention of a layer to the sound, of
// shape [rows, heads, tokens, frames].
func attentionName(layer int64) string { return fmt.Sprintf("cross_attentions.%d", layer) }

// pastShape returns the shape of the decoder's own past, without its type.
func (f *folder) pastShape() decoding.Shape {
	n := f.Network
	return decoding.Shape{Layers: n.DecoderLayers, Heads: n.DecoderHeads, Dim: n.Width / n.DecoderHeads, Side: "decoder"}
}

// crossShape returns the shape of the past of the encoder.
func (f *folder) crossShape() decoding.Shape {
	shape := f.pastShape()
	shape.Side = "encoder"
	return shape
}

// floatSpec returns a tensor of single or half precision with dimensions, 0 for any.
func floatSpec(name string, dims ...int64) onnx.TensorSpec {
	return onnx.TensorSpec{Name: name, Type: onnx.Float32, Or: onnx.Float16, Rank: len(dims), Dims: dims}
}

func (f *folder) encoderContract() onnx.Contract {
	n := f.Network
	return onnx.Contract{
		Inputs:  []onnx.TensorSpec{floatSpec(inputFeatures, 0, n.MelBins, 2*n.SourceFrames)},
		Outputs: []onnx.TensorSpec{floatSpec(hiddenOutput, 0, 0, n.Width)},
	}
}

func (f *folder) decoderContract() onnx.Contract {
	n := f.Network
	c := onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputIDs, Type: onnx.Int64, Rank: 2}, floatSpec(hiddenInput, 0, 0, n.Width),
			{Name: useCache, Type: onnx.Bool, Rank: 1}, {Name: cachePosition, Type: onnx.Int64, Rank: 1, Optional: true},
		},
		Outputs: []onnx.TensorSpec{floatSpec(logitsOutput, 0, 0, n.VocabSize)},
	}
	for _, layer := range f.alignmentLayers() {
		spec := floatSpec(attentionName(layer), 0, n.DecoderHeads, 0, 0)
		spec.Optional = true
		c.Outputs = append(c.Outputs, spec)
	}
	for _, shape := range []decoding.Shape{f.pastShape(), f.crossShape()} {
		pasts, presents := shape.Names()
		for i := range pasts {
			c.Inputs = append(c.Inputs, floatSpec(pasts[i], 0, shape.Heads, 0, shape.Dim))
			c.Outputs = append(c.Outputs, onnx.TensorSpec{Name: presents[i], Type: onnx.Float32, Or: onnx.Float16, Rank: 4})
		}
	}
	return c
}
