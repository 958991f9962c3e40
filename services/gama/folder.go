package gama

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// Values of model_type in config.json of supported folders.
const (
	typeGAMA     = "gama"
	typeUltravox = "ultravox"
	typeVoxtral  = "voxtral"
)

var modelTypes = []string{typeGAMA, typeUltravox, typeVoxtral}

// Values of AudioInsert: the position of the audio's rows in the prompt.
const (
	insertPrefix = "prefix" // before the first token, as in GAMA
	insertToken  = "token"  // at {audio} in the prompt template
)

// Placeholders of a prompt template.
const (
	placeQuestion = "{question}"
	placeAudio    = "{audio}"
	placeSystem   = "{system}"
)

// Values of History: the handling of earlier questions in a conversation.
const (
	historyTurns = "turns" // they stand in the prompt, with their answers
	historyNone  = "none"  // each question sees only the audio
)

// folder is the parsed configuration of a model.
type folder struct {
	Network      networkConfig
	Preprocessor preprocessorConfig
	Generation   generationConfig
	Text         tokenizer.Text
}

// networkConfig is config.json.
type networkConfig struct {
	ModelType string `json:"model_type"`
	// AudioInsert is prefix or token. PromptTemplate has {question}, {audio} with token, and
	// {system} before {question} if the model takes instructions.
	AudioInsert    string `json:"audio_insert"`
	PromptTemplate string `json:"prompt_template"`
	// SystemTemplate is what replaces {system} where there are instructions, themselves at its
	// {system}. AudioBegin is the text before the audio.
	SystemTemplate string `json:"system_template"`
	AudioBegin     string `json:"audio_begin"`
	// History is turns or none. Models that were not trained on several turns perform
	// better with none.
	History  string `json:"conversation_history"`
	NumAudio int64  `json:"num_audio_tokens"` // 0 where it depends on the audio
	BOS      *int   `json:"bos_token_id"`
	EOS      idList `json:"eos_token_id"`
	JS       struct {
		DType dtypes `json:"dtype"`
	} `json:"transformers.js_config"`
	AudioPart struct {
		MaxFrames int `json:"max_frames"`
	} `json:"audio_config"`
	TextPart struct {
		VocabSize    int64  `json:"vocab_size"`
		HiddenSize   int64  `json:"hidden_size"`
		Layers       int64  `json:"num_hidden_layers"`
		Heads        int64  `json:"num_attention_heads"`
		KVHeads      int64  `json:"num_key_value_heads"`
		HeadDim      int64  `json:"head_dim"`
		Intermediate int64  `json:"intermediate_size"`
		MaxPositions int64  `json:"max_position_embeddings"`
		BOS          *int   `json:"bos_token_id"`
		EOS          idList `json:"eos_token_id"`
	} `json:"text_config"`
}

// preprocessorConfig is preprocessor_config.json.
type preprocessorConfig struct {
	ExtractorType    string  `json:"feature_extractor_type"`
	SamplingRate     int     `json:"sampling_rate"`
	MelBins          int     `json:"num_mel_bins"`
	ShiftMS          float64 `json:"frame_shift_ms"`
	LengthMS         float64 `json:"frame_length_ms"`
	WindowType       string  `json:"window_type"`
	SubtractClipMean bool    `json:"subtract_clip_mean"`
	Mean             float64 `json:"mean"`
	Std              float64 `json:"std"`
	MaxLength        int     `json:"max_length"`
	PaddingValue     float32 `json:"padding_value"`
	PadToMaxLength   bool    `json:"pad_to_max_length"`
	UseEnergy        bool    `json:"use_energy"`
	Dither           float64 `json:"dither"`

	// Of WhisperFeatureExtractor. The others follow from them.
	FeatureSize int `json:"feature_size"`
	FFT         int `json:"n_fft"`
	Hop         int `json:"hop_length"`
	ChunkLength int `json:"chunk_length"` // seconds
}

// isWhisper reports whether the features are those of Whisper models.
func (p preprocessorConfig) isWhisper() bool { return p.ExtractorType == whisperExtractor }

// readFolder reads and validates the JSON files. The error names the file and the
// value.
func readFolder(files modelstore.Folder) (*folder, error) {
	f, err := readConfigs(files)
	if err != nil {
		return nil, err
	}
	if f.Text, err = readTokenizer(files); err != nil {
		return nil, err
	}
	return f, f.checkMarks(files.Name, f.Text)
}

// readTokenizer reads tokenizer.json, or SentencePiece's tokenizer.model if it is
// missing.
func readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	read := tokenizer.FromJSON
	data, err := files.ReadFile("tokenizer.json")
	if errors.Is(err, fs.ErrNotExist) {
		var other error
		if data, other = files.ReadFile("tokenizer.model"); !errors.Is(other, fs.ErrNotExist) {
			read, err = tokenizer.FromSentencePiece, other
		}
	}
	if err != nil {
		return nil, err
	}
	text, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("%s/%w", files.Name, err)
	}
	return text, nil
}

// readConfigs reads everything except the tokenizer.
func readConfigs(files modelstore.Folder) (*folder, error) {
	f := &folder{
		Preprocessor: preprocessorConfig{SamplingRate: 16000, MelBins: 128, WindowType: "hanning", Std: 1, MaxLength: 1024},
		Generation:   defaultGeneration(),
	}
	f.Network.AudioInsert, f.Network.PromptTemplate, f.Network.History = insertPrefix, placeQuestion, historyTurns
	f.Network.SystemTemplate = placeSystem
	if known, ok := prompts[files.ModelType()]; ok {
		f.Network.AudioInsert, f.Network.PromptTemplate = insertToken, known.template
		f.Network.SystemTemplate, f.Network.AudioBegin = known.system, known.audio
	}
	if err := files.ReadJSON("config.json", &f.Network); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("preprocessor_config.json", &f.Preprocessor); err != nil {
		return nil, err
	}
	if err := f.adoptWhisper(files.Name); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("generation_config.json", &f.Generation); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	n := &f.Network
	if n.TextPart.KVHeads == 0 {
		n.TextPart.KVHeads = n.TextPart.Heads
	}
	if n.TextPart.HeadDim == 0 && n.TextPart.Heads > 0 {
		n.TextPart.HeadDim = n.TextPart.HiddenSize / n.TextPart.Heads
	}
	if n.EOS == nil {
		n.EOS = n.TextPart.EOS
	}
	if n.BOS == nil {
		n.BOS = n.TextPart.BOS
	}
	if f.Generation.EOS != nil {
		n.EOS = f.Generation.EOS
	}
	if f.Generation.BOS != nil {
		n.BOS = f.Generation.BOS
	}
	if err := n.JS.DType.check(); err != nil {
		return nil, fmt.Errorf("%s/config.json: %w", files.Name, err)
	}
	return f, f.check(files.Name)
}

// Limits of a folder's numbers in addition to those shared by all models.
const (
	maxPositions = 1 << 24
	maxStopIDs   = 256
	maxFrames    = 1 << 16
	maxFrameMS   = 1000
	maxWindowMS  = 300_000
	maxShift     = 1e6 // of mean, deviation and padding
)

// check rejects values that do not describe a network, and those that would require an
// excessive amount of memory.
func (f *folder) check(name string) error {
	for _, check := range []func(name string) error{f.Generation.check, f.checkText, f.checkPrompt, f.Preprocessor.check} {
		if err := check(name); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) checkText(name string) error {
	t := f.Network.TextPart
	file := limits.Of(name + "/config.json")
	file.Int("text_config.vocab_size", t.VocabSize, 1, limits.Vocabulary)
	file.Int("text_config.hidden_size", t.HiddenSize, 1, limits.Width)
	file.Int("text_config.num_hidden_layers", t.Layers, 1, limits.Layers)
	file.Int("text_config.num_attention_heads", t.Heads, 0, limits.Heads)
	file.Int("text_config.num_key_value_heads", t.KVHeads, 1, limits.Heads)
	file.Int("text_config.head_dim", t.HeadDim, 1, limits.HeadWidth)
	file.Int("text_config.intermediate_size", t.Intermediate, 0, limits.Width)
	file.Int("text_config.max_position_embeddings", t.MaxPositions, 1, maxPositions)
	file.Int("audio_config.max_frames", int64(f.Network.AudioPart.MaxFrames), 0, maxFrames)
	return file.Err()
}

// checkPrompt checks the parts of a prompt. Token IDs must be in the vocabulary.
func (f *folder) checkPrompt(name string) error {
	n := f.Network
	template := n.PromptTemplate
	file := limits.Of(name + "/config.json")
	file.OneOf("audio_insert", n.AudioInsert, insertPrefix, insertToken)
	file.OneOf("conversation_history", n.History, historyTurns, historyNone)
	file.Text("prompt_template", template, limits.TextBytes)
	file.Text("system_template", n.SystemTemplate, limits.TextBytes)
	file.Text("audio_begin", n.AudioBegin, limits.TextBytes)
	if strings.Count(template, placeQuestion) != 1 {
		file.Fail("prompt_template must hold %s once, got %s", placeQuestion, limits.Quote(template))
	}
	before, _, _ := strings.Cut(template, placeQuestion)
	if n := strings.Count(template, placeSystem); n > 1 || n != strings.Count(before, placeSystem) {
		file.Fail("prompt_template must hold %s at most once, and before %s, got %s", placeSystem, placeQuestion, limits.Quote(template))
	}
	if strings.Contains(template, placeSystem) && strings.Count(n.SystemTemplate, placeSystem) != 1 {
		file.Fail("system_template must hold %s once, got %s", placeSystem, limits.Quote(n.SystemTemplate))
	}
	if (n.AudioInsert == insertToken) != (strings.Count(template, placeAudio) == 1) {
		file.Fail("prompt_template must hold %s once with audio_insert %s, and not with %s", placeAudio, insertToken, insertPrefix)
	}
	file.Int("num_audio_tokens", n.NumAudio, 0, n.TextPart.MaxPositions-1)
	if len(n.EOS) == 0 {
		file.Fail("eos_token_id is missing")
	}
	checkIDs(file, n.BOS, n.EOS)
	return file.Err()
}

// checkIDs checks the tokens that begin and end an answer if they are set.
func checkIDs(file *limits.File, bos *int, eos idList) {
	if bos != nil {
		file.Int("bos_token_id", int64(*bos), 0, limits.Vocabulary-1)
	}
	file.Count("eos_token_id", len(eos), 0, maxStopIDs)
	for _, id := range eos[:min(len(eos), maxStopIDs)] {
		file.Int("eos_token_id", int64(id), 0, limits.Vocabulary-1)
	}
}

func (p preprocessorConfig) check(name string) error {
	file := limits.Of(name + "/preprocessor_config.json")
	file.Int("sampling_rate", int64(p.SamplingRate), limits.MinSampleRateHz, limits.MaxSampleRateHz)
	file.Int("num_mel_bins", int64(p.MelBins), 4, limits.MelBands)
	file.Float("frame_shift_ms", p.ShiftMS, 0, maxFrameMS)
	file.Float("frame_length_ms", p.LengthMS, 0, maxFrameMS)
	file.Int("max_length", int64(p.MaxLength), 1, maxFrames)
	file.Float("max_length times frame_shift_ms", float64(p.MaxLength)*p.ShiftMS, 0, maxWindowMS)
	file.Float("mean", p.Mean, -maxShift, maxShift)
	file.Float("std", p.Std, 1/maxShift, maxShift)
	file.Float("padding_value", float64(p.PaddingValue), -maxShift, maxShift)
	if p.UseEnergy || p.Dither != 0 {
		file.Fail("use_energy and dither are not supported")
	}
	return file.Err()
}
