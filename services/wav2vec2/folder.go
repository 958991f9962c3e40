package wav2vec2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// modelTypes are the values of model_type in config.json of supported folders.
var modelTypes = []string{
	"wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat", "sew", "sew-d",
}

// folder is the parsed configuration of a model. Values missing from the files have the
// format's defaults.
type folder struct {
	Network      networkConfig
	Preprocessor preprocessorConfig
	Tokenizer    tokenizerConfig
	// Head is one of heads.
	Head string
	// Labels of a classification head, by id.
	Labels []string
	// Tokens of a CTC head by id. An id without a token is the unknown token.
	Tokens []string
	// Languages are those of a vocabulary with one for each language, the own of which is
	// Language; empty for other vocabularies.
	Languages []string
	Language  string
}

// networkConfig is config.json.
type networkConfig struct {
	Architectures    []string `json:"architectures"`
	VocabSize        int      `json:"vocab_size"`
	HiddenSize       int64    `json:"hidden_size"`
	IntermediateSize int64    `json:"intermediate_size"`
	AttentionHeads   int64    `json:"num_attention_heads"`
	ConvDim          []int64  `json:"conv_dim"`
	ConvKernel       []int64  `json:"conv_kernel"`
	ConvStride       []int64  `json:"conv_stride"`
	PadTokenID       int      `json:"pad_token_id"`
	AddAdapter       bool     `json:"add_adapter"`
	// Of the head for x-vectors.
	XVectorSize   int64   `json:"xvector_output_dim"`
	TDNNKernels   []int64 `json:"tdnn_kernel"`
	TDNNDilations []int64 `json:"tdnn_dilation"`

	ID2Label    map[string]string `json:"id2label"`
	ProblemType string            `json:"problem_type"`
}

// preprocessorConfig is preprocessor_config.json.
type preprocessorConfig struct {
	SamplingRate        int     `json:"sampling_rate"`
	DoNormalize         bool    `json:"do_normalize"`
	ReturnAttentionMask bool    `json:"return_attention_mask"`
	PaddingValue        float32 `json:"padding_value"`
	FeatureSize         int     `json:"feature_size"`
}

// tokenizerConfig is tokenizer_config.json.
type tokenizerConfig struct {
	PadToken      tokenText `json:"pad_token"`
	UnkToken      tokenText `json:"unk_token"`
	WordDelimiter tokenText `json:"word_delimiter_token"`
	DoLowerCase   bool      `json:"do_lower_case"`
	CleanUpSpaces bool      `json:"clean_up_tokenization_spaces"`
	// TargetLanguage is that of the graph, where there is a vocabulary for each language.
	TargetLanguage string `json:"target_lang"`
}

// tokenText is a token, written as a string or as an object with its content.
type tokenText string

// UnmarshalJSON accepts both forms.
func (t *tokenText) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err == nil {
		if text != nil {
			*t = tokenText(*text)
		}
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return errors.New("a token must be a string or an object with content")
	}
	*t = tokenText(object.Content)
	return nil
}

func (c tokenizerConfig) check(name string) error {
	file := limits.Of(name + "/tokenizer_config.json")
	file.Text("pad_token", string(c.PadToken), limits.TokenBytes)
	file.Text("unk_token", string(c.UnkToken), limits.TokenBytes)
	file.Text("word_delimiter_token", string(c.WordDelimiter), limits.TokenBytes)
	file.Text("target_lang", c.TargetLanguage, limits.TokenBytes)
	return file.Err()
}

// readFolder reads and validates the JSON files. The error names the file and the
// value.
func readFolder(files modelstore.Folder) (*folder, error) {
	// Defaults of the format's classes, as in wav2vec2-base-960h.
	f := &folder{
		Network: networkConfig{
			VocabSize: 32, HiddenSize: 768, IntermediateSize: 3072, AttentionHeads: 12,
			ConvDim:    []int64{512, 512, 512, 512, 512, 512, 512},
			ConvKernel: []int64{10, 3, 3, 3, 3, 2, 2},
			ConvStride: []int64{5, 2, 2, 2, 2, 2, 2},

			XVectorSize: 512, TDNNKernels: []int64{5, 3, 3, 1, 1}, TDNNDilations: []int64{1, 2, 3, 1, 1},
		},
		Preprocessor: preprocessorConfig{SamplingRate: 16000, DoNormalize: true, FeatureSize: 1},
		Tokenizer:    tokenizerConfig{PadToken: "<pad>", UnkToken: "<unk>", WordDelimiter: "|"},
	}
	if err := files.ReadJSON("config.json", &f.Network); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("preprocessor_config.json", &f.Preprocessor); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("tokenizer_config.json", &f.Tokenizer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := f.check(files.Name); err != nil {
		return nil, err
	}
	if err := f.Tokenizer.check(files.Name); err != nil {
		return nil, err
	}
	if err := f.readHead(files.Name); err != nil {
		return f, err
	}
	if err := f.checkOutput(files.Name); err != nil || f.Head != headCTC {
		return f, err
	}
	return f, f.readVocabulary(files)
}

// wordList returns the words of the word list that the model can spell, or nil if there
// is no list.
func (f *folder) wordList(files modelstore.Folder) ([]string, error) {
	text, err := files.ReadFile(wordsFile)
	if errors.Is(err, fs.ErrNotExist) || f.Head != headCTC {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	words, err := readWords(text, f.Tokens)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", files.Name, wordsFile, err)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("%s/%s: no word can be spelled by the model", files.Name, wordsFile)
	}
	return words, nil
}

// Limits of a folder's numbers in addition to those shared by all models.
const (
	maxConvolutions = 32
	maxConvolution  = 1 << 16 // of each width, kernel and stride
	maxLabels       = 100_000
	maxPadding      = 1e6
	// maxOutputs is the maximum number of output values per second of sound. The
	// largest public vocabulary reaches 2^20.
	maxOutputs = 1 << 26
)

// check rejects numbers that do not describe a network, and those that would require an
// excessive amount of memory.
func (f *folder) check(name string) error {
	n, p := f.Network, f.Preprocessor
	settings := limits.Of(name + "/preprocessor_config.json")
	settings.Int("sampling_rate", int64(p.SamplingRate), limits.MinSampleRateHz, limits.MaxSampleRateHz)
	settings.Int("feature_size", int64(p.FeatureSize), 1, 1)
	settings.Float("padding_value", float64(p.PaddingValue), -maxPadding, maxPadding)
	if err := settings.Err(); err != nil {
		return err
	}
	config := limits.Of(name + "/config.json")
	config.Int("vocab_size", int64(n.VocabSize), 1, limits.Vocabulary)
	config.Int("hidden_size", n.HiddenSize, 1, limits.Width)
	config.Int("intermediate_size", n.IntermediateSize, 1, limits.Width)
	config.Int("num_attention_heads", n.AttentionHeads, 1, limits.Heads)
	config.Ints("conv_dim", n.ConvDim, 1, maxConvolutions, 1, maxConvolution)
	config.Ints("conv_kernel", n.ConvKernel, 1, maxConvolutions, 1, maxConvolution)
	config.Ints("conv_stride", n.ConvStride, 1, maxConvolutions, 1, maxConvolution)
	if len(n.ConvDim) != len(n.ConvKernel) || len(n.ConvDim) != len(n.ConvStride) {
		config.Fail("conv_dim, conv_kernel and conv_stride must have one length, got %d, %d and %d", len(n.ConvDim), len(n.ConvKernel),
			len(n.ConvStride))
	}
	config.Int("xvector_output_dim", n.XVectorSize, 1, limits.Width)
	config.Ints("tdnn_kernel", n.TDNNKernels, 1, maxConvolutions, 1, maxConvolution)
	config.Ints("tdnn_dilation", n.TDNNDilations, 1, maxConvolutions, 1, maxConvolution)
	if len(n.TDNNKernels) != len(n.TDNNDilations) {
		config.Fail("tdnn_kernel and tdnn_dilation must have one length, got %d and %d", len(n.TDNNKernels), len(n.TDNNDilations))
	}
	if n.AddAdapter {
		config.Fail("add_adapter is set; models with an adapter are not supported")
	}
	config.Count("id2label", len(n.ID2Label), 0, maxLabels)
	if config.Err() == nil {
		// A window of the shortest length must have at least one frame, as must the
		// longest run. Otherwise windows could not be formed.
		config.Int("conv_stride, multiplied,", n.hop(), 1, int64(p.SamplingRate))
		config.Int("conv_kernel and conv_stride, as samples that one frame sees,", n.receptiveField(), 1, longestRun*int64(p.SamplingRate))
		config.Int("tdnn_kernel and tdnn_dilation, as samples that an x-vector needs,", n.xvectorSamples(), 1, longestRun*int64(p.SamplingRate))
	}
	return config.Err()
}

// checkOutput rejects a head whose output per second is too large.
func (f *folder) checkOutput(name string) error {
	_, width := f.output()
	config := limits.Of(name + "/config.json")
	each := int64(f.Preprocessor.SamplingRate) / f.Network.hop()
	config.Int("the output's width times its frames of a second", limits.Product(each, width), 0, maxOutputs)
	return config.Err()
}

// frames returns the number of output frames for the given number of samples. No
// convolution pads, so each has floor((n-kernel)/stride)+1 outputs.
func (n networkConfig) frames(samples int64) int64 {
	for i := range n.ConvKernel {
		if samples < n.ConvKernel[i] {
			return 0
		}
		samples = (samples-n.ConvKernel[i])/n.ConvStride[i] + 1
	}
	return samples
}

// hop returns the number of samples between two frames.
func (n networkConfig) hop() int64 {
	return limits.Product(n.ConvStride...)
}

// receptiveField returns the number of samples that one frame depends on, the minimum
// for one frame.
func (n networkConfig) receptiveField() int64 {
	field := int64(1)
	for i := len(n.ConvKernel) - 1; i >= 0; i-- {
		field = limits.Sum(limits.Product(field-1, n.ConvStride[i]), n.ConvKernel[i])
	}
	return field
}

// xvectorSamples returns the number of samples that the head for x-vectors needs: the standard
// deviation of its frames needs two of them.
func (n networkConfig) xvectorSamples() int64 {
	frames := int64(2)
	for i, kernel := range n.TDNNKernels {
		frames = limits.Sum(frames, limits.Product(kernel-1, n.TDNNDilations[i]))
	}
	return limits.Sum(n.receptiveField(), limits.Product(frames-1, n.hop()))
}

// leastSamples returns the number of samples below which a recording is padded.
func (f *folder) leastSamples() int64 {
	if f.Head == headXVector {
		return f.Network.xvectorSamples()
	}
	return f.Network.receptiveField()
}
