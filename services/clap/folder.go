package clap

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// The model_type in config.json of supported folders.
const (
	typeCLAP = "clap"
	typeAST  = "audio-spectrogram-transformer"
)

// Heads of AST models, named as in config.json's architectures.
const (
	headFeatures = "ASTModel"
	headLabels   = "ASTForAudioClassification"
)

// folder is the parsed configuration of a model. Values missing from the files have the
// format's defaults.
type folder struct {
	Network      networkConfig
	Preprocessor preprocessorConfig
	// Pooled reports whether the folder has a graph that pools frames, so that the
	// network sees a recording once for all windows.
	Pooled bool
	// Head of an AST model.
	Head string
	// Labels of a classification head, by id.
	Labels []string
	// maxTokens is the maximum length of a text with its first and last token.
	maxTokens int
}

// networkConfig is config.json. The fields after the parts are those of AST.
type networkConfig struct {
	ModelType  string  `json:"model_type"`
	Projection int64   `json:"projection_dim"`
	LogitScale float64 `json:"logit_scale_init_value"`
	Audio      struct {
		Bands       int64   `json:"num_mel_bins"`
		Hidden      int64   `json:"hidden_size"`
		SpecSize    int64   `json:"spec_size"`
		PatchStride []int64 `json:"patch_stride"`
		PatchHidden int64   `json:"patch_embeds_hidden_size"`
		Heads       []int64 `json:"num_attention_heads"`
		WindowSize  int64   `json:"window_size"`
		Fusion      bool    `json:"enable_fusion"`
		// FramesPerSecond and FrameContext are specific to this project: the frames of
		// last_hidden_state in a second, and how many frames on either side a frame
		// depends on.
		FramesPerSecond int64 `json:"frames_per_second"`
		FrameContext    int64 `json:"frame_context"`
	} `json:"audio_config"`
	Text struct {
		Hidden       int64 `json:"hidden_size"`
		Intermediate int64 `json:"intermediate_size"`
		Heads        int64 `json:"num_attention_heads"`
		MaxPositions int64 `json:"max_position_embeddings"`
		BOS          int64 `json:"bos_token_id"`
		Pad          int64 `json:"pad_token_id"`
		EOS          int64 `json:"eos_token_id"`
	} `json:"text_config"`

	Architectures   []string          `json:"architectures"`
	Hidden          int64             `json:"hidden_size"`
	Intermediate    int64             `json:"intermediate_size"`
	Heads           int64             `json:"num_attention_heads"`
	PatchSize       int64             `json:"patch_size"`
	FrequencyStride int64             `json:"frequency_stride"`
	TimeStride      int64             `json:"time_stride"`
	ID2Label        map[string]string `json:"id2label"`
	ProblemType     string            `json:"problem_type"`
}

// preprocessorConfig is preprocessor_config.json. The fields after PaddingMode are those of
// AST.
type preprocessorConfig struct {
	SampleRateHz int     `json:"sampling_rate"`
	Hop          int     `json:"hop_length"`
	FFT          int     `json:"fft_window_size"`
	Bands        int     `json:"feature_size"`
	MaxSeconds   float64 `json:"max_length_s"`
	MaxSamples   int     `json:"nb_max_samples"`
	LowHz        float64 `json:"frequency_min"`
	HighHz       float64 `json:"frequency_max"`
	Truncation   string  `json:"truncation"`
	PaddingMode  string  `json:"padding"`

	MelBins     int     `json:"num_mel_bins"`
	MaxLength   int     `json:"max_length"`
	Mean        float64 `json:"mean"`
	Std         float64 `json:"std"`
	DoNormalize bool    `json:"do_normalize"`
}

// Values of preprocessorConfig.Truncation and PaddingMode.
const (
	truncationFusion = "fusion"
	truncationRandom = "rand_trunc"
	paddingRepeatPad = "repeatpad"
	paddingRepeat    = "repeat"
	paddingPad       = "pad"
)

// defaults returns the defaults of the format's classes.
func defaults(modelType string) *folder {
	f := &folder{maxTokens: 512}
	n, p := &f.Network, &f.Preprocessor
	n.ModelType = modelType
	if modelType == typeAST {
		n.Hidden, n.Intermediate, n.Heads, n.PatchSize, n.FrequencyStride, n.TimeStride = 768, 3072, 12, 16, 10, 10
		*p = preprocessorConfig{SampleRateHz: 16000, MelBins: 128, MaxLength: 1024, Mean: -4.2677393, Std: 4.5689974, DoNormalize: true}
		return f
	}
	n.Projection, n.LogitScale = 512, 1/0.07
	a, t := &n.Audio, &n.Text
	a.Bands, a.Hidden, a.SpecSize, a.PatchStride, a.PatchHidden, a.WindowSize = 64, 768, 256, []int64{4, 4}, 96, 8
	a.Heads = []int64{4, 8, 16, 32}
	t.Hidden, t.Intermediate, t.Heads, t.MaxPositions, t.BOS, t.Pad, t.EOS = 768, 3072, 12, 514, 0, 1, 2
	*p = preprocessorConfig{
		SampleRateHz: 48000, Hop: 480, FFT: 1024, Bands: 64, MaxSeconds: 10, HighHz: 14000, Truncation: truncationFusion,
		PaddingMode: paddingRepeatPad,
	}
	return f
}

// readFolder reads and validates the JSON files except the tokenizer. The error names the
// file and the value.
func readFolder(files modelstore.Folder) (*folder, error) {
	f := defaults(files.ModelType())
	if err := files.ReadJSON("config.json", &f.Network); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("preprocessor_config.json", &f.Preprocessor); err != nil {
		return nil, err
	}
	var tokenizerConfig struct {
		MaxLength float64 `json:"model_max_length"` // some files have 1e30 for no limit
	}
	if err := files.ReadJSON("tokenizer_config.json", &tokenizerConfig); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if n := tokenizerConfig.MaxLength; n >= minTokens && n < maxTokens {
		f.maxTokens = int(n)
	}
	if f.Network.ModelType == typeAST {
		return f, errors.Join(f.checkAST(files.Name), f.readHead(files.Name))
	}
	if f.Preprocessor.MaxSamples == 0 {
		f.Preprocessor.MaxSamples = int(min(f.Preprocessor.MaxSeconds, maxSeconds) * float64(f.Preprocessor.SampleRateHz))
	}
	// Positions begin after that of the padding token, as in RoBERTa.
	f.maxTokens = min(f.maxTokens, max(minTokens, int(min(f.Network.Text.MaxPositions, maxTokens))-2))
	f.Pooled = f.Network.Audio.FramesPerSecond > 0 && files.Has(poolGraph)
	return f, f.checkCLAP(files.Name)
}

// Limits of a folder's numbers in addition to those shared by all models.
const (
	minTokens  = 3
	maxTokens  = 1 << 16
	maxSeconds = 60 // of one run
	maxFFT     = 1 << 14
	maxCells   = 1 << 22 // of a spectrogram
	maxPatches = 1 << 16
	maxLabels  = 100_000
	maxScale   = 1e4
	maxMean    = 1e6
)

// checkCLAP rejects numbers that do not describe a network, and those that would require
// an excessive amount of memory.
func (f *folder) checkCLAP(name string) error {
	n, p := f.Network, f.Preprocessor
	settings := limits.Of(name + "/preprocessor_config.json")
	settings.Int("sampling_rate", int64(p.SampleRateHz), limits.MinSampleRateHz, limits.MaxSampleRateHz)
	settings.Int("fft_window_size", int64(p.FFT), 16, maxFFT)
	settings.Int("hop_length", int64(p.Hop), 8, int64(max(8, p.FFT/2)))
	settings.Int("feature_size", int64(p.Bands), 4, limits.MelBands)
	settings.Int("nb_max_samples", int64(p.MaxSamples), int64(max(p.FFT, p.SampleRateHz/10)), maxSeconds*int64(p.SampleRateHz))
	settings.Float("frequency_min", p.LowHz, 0, float64(p.SampleRateHz)/2)
	settings.Float("frequency_max", p.HighHz, p.LowHz+1, float64(p.SampleRateHz)/2)
	settings.OneOf("truncation", p.Truncation, truncationRandom, truncationFusion)
	settings.OneOf("padding", p.PaddingMode, paddingRepeatPad, paddingRepeat, paddingPad)
	if settings.Err() == nil {
		settings.Int("feature_size times the frames of nb_max_samples", int64(p.Bands)*int64(f.rows()), 1, maxCells)
	}
	if err := settings.Err(); err != nil {
		return err
	}
	config := limits.Of(name + "/config.json")
	config.Int("projection_dim", n.Projection, 1, limits.Width)
	config.Float("logit_scale_init_value", n.LogitScale, 1/maxScale, maxScale)
	a, t := n.Audio, n.Text
	config.Int("audio_config.num_mel_bins", a.Bands, int64(p.Bands), int64(p.Bands))
	config.Int("audio_config.hidden_size", a.Hidden, 1, limits.Width)
	config.Int("audio_config.spec_size", a.SpecSize, 1, 1<<12)
	config.Ints("audio_config.patch_stride", a.PatchStride, 2, 2, 1, 1<<12)
	config.Int("audio_config.patch_embeds_hidden_size", a.PatchHidden, 1, limits.Width)
	config.Ints("audio_config.num_attention_heads", a.Heads, 1, 64, 1, limits.Heads)
	config.Int("audio_config.window_size", a.WindowSize, 1, 1<<12)
	config.Int("audio_config.frames_per_second", a.FramesPerSecond, 0, int64(p.SampleRateHz/p.Hop))
	config.Int("audio_config.frame_context", a.FrameContext, 0, 10*max(1, a.FramesPerSecond))
	config.Int("text_config.hidden_size", t.Hidden, 1, limits.Width)
	config.Int("text_config.intermediate_size", t.Intermediate, 0, limits.Width)
	config.Int("text_config.num_attention_heads", t.Heads, 0, limits.Heads)
	config.Int("text_config.max_position_embeddings", t.MaxPositions, minTokens+2, limits.Vocabulary)
	config.Int("text_config.bos_token_id", t.BOS, 0, limits.Vocabulary-1)
	config.Int("text_config.pad_token_id", t.Pad, 0, limits.Vocabulary-1)
	config.Int("text_config.eos_token_id", t.EOS, 0, limits.Vocabulary-1)
	if f.Pooled && config.Err() == nil && (p.SampleRateHz%p.Hop != 0 || int64(p.SampleRateHz/p.Hop)%a.FramesPerSecond != 0) {
		config.Fail("audio_config.frames_per_second must divide the %d rows of a second, got %d", p.SampleRateHz/p.Hop, a.FramesPerSecond)
	}
	return config.Err()
}

// checkAST is checkCLAP for AST.
func (f *folder) checkAST(name string) error {
	n, p := f.Network, f.Preprocessor
	settings := limits.Of(name + "/preprocessor_config.json")
	settings.Int("sampling_rate", int64(p.SampleRateHz), limits.MinSampleRateHz, limits.MaxSampleRateHz)
	settings.Int("num_mel_bins", int64(p.MelBins), 4, limits.MelBands)
	settings.Int("max_length", int64(p.MaxLength), 16, 1<<14)
	settings.Float("mean", p.Mean, -maxMean, maxMean)
	settings.Float("std", p.Std, 1/maxMean, maxMean)
	config := limits.Of(name + "/config.json")
	config.Int("hidden_size", n.Hidden, 1, limits.Width)
	config.Int("intermediate_size", n.Intermediate, 1, limits.Width)
	config.Int("num_attention_heads", n.Heads, 1, limits.Heads)
	config.Int("patch_size", n.PatchSize, 1, min(int64(p.MelBins), int64(p.MaxLength)))
	config.Int("frequency_stride", n.FrequencyStride, 1, limits.MelBands)
	config.Int("time_stride", n.TimeStride, 1, 1<<14)
	config.Count("id2label", len(n.ID2Label), 0, maxLabels)
	if settings.Err() == nil && config.Err() == nil {
		config.Int("the number of patches of a spectrogram", f.patches(), 1, maxPatches)
	}
	return errors.Join(settings.Err(), config.Err())
}

// patches returns the length of AST's sequence.
func (f *folder) patches() int64 {
	n, p := f.Network, f.Preprocessor
	along := func(size, stride int64) int64 { return (size-n.PatchSize)/stride + 1 }
	return limits.Sum(2, limits.Product(along(int64(p.MelBins), n.FrequencyStride), along(int64(p.MaxLength), n.TimeStride)))
}

// readHead determines the head of an AST model and its labels.
func (f *folder) readHead(name string) error {
	f.Head = headFeatures
	if given := f.Network.Architectures; len(given) > 0 {
		known := slices.IndexFunc(given, func(one string) bool { return one == headFeatures || one == headLabels })
		if known < 0 {
			return fmt.Errorf("%s/config.json: architectures must have one of %s, %s, got %s", name, headFeatures, headLabels,
				limits.Quote(strings.Join(given, ", ")))
		}
		f.Head = given[known]
	}
	if f.Head != headLabels {
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
	if len(f.Labels) == 0 {
		return fmt.Errorf("%s/config.json: id2label has no labels", name)
	}
	return nil
}

// rows returns the number of rows of a full spectrogram.
func (f *folder) rows() int { return 1 + f.Preprocessor.MaxSamples/f.Preprocessor.Hop }

// channels returns the number of spectrograms in one input.
func (f *folder) channels() int64 {
	if f.Preprocessor.Truncation == truncationFusion {
		return 4
	}
	return 1
}

// longest returns the maximum number of samples of one run.
func (f *folder) longest() int {
	if f.Network.ModelType == typeAST {
		return f.Preprocessor.SampleRateHz/100*(f.Preprocessor.MaxLength-1) + f.Preprocessor.SampleRateHz/40
	}
	return f.Preprocessor.MaxSamples
}

// rowsPerFrame returns the number of rows of the spectrogram that one frame replaces.
func (f *folder) rowsPerFrame() int {
	return f.Preprocessor.SampleRateHz / f.Preprocessor.Hop / int(f.Network.Audio.FramesPerSecond)
}

// width returns the number of values of a vector.
func (f *folder) width() int64 {
	if f.Network.ModelType == typeAST {
		return f.Network.Hidden
	}
	return f.Network.Projection
}
