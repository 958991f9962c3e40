package gama

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// modelType is config.json's model_type of the folders this service reads.
const modelType = "gama"

// Where the rows of the audio stand.
const (
	insertPrefix = "prefix" // before the first token, as in GAMA
	insertToken  = "token"  // where the prompt template says {audio}
)

// Placeholders of a prompt template.
const (
	placeQuestion = "{question}"
	placeAudio    = "{audio}"
)

// What becomes of earlier questions of a conversation.
const (
	historyTurns = "turns" // they stand in the prompt, with their answers
	historyNone  = "none"  // each question is asked of the audio alone
)

// folder is what a model folder's JSON files say.
type folder struct {
	Network      networkConfig
	Preprocessor preprocessorConfig
	Generation   generationConfig
	Text         tokenizer.Text
}

// networkConfig is config.json.
type networkConfig struct {
	// AudioInsert is prefix or token; PromptTemplate has {question}, and {audio}
	// with token.
	AudioInsert    string `json:"audio_insert"`
	PromptTemplate string `json:"prompt_template"`
	// History is turns or none. Models that were never trained on several turns do
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
		VocabSize    int64 `json:"vocab_size"`
		HiddenSize   int64 `json:"hidden_size"`
		Layers       int64 `json:"num_hidden_layers"`
		Heads        int64 `json:"num_attention_heads"`
		KVHeads      int64 `json:"num_key_value_heads"`
		HeadDim      int64 `json:"head_dim"`
		Intermediate int64 `json:"intermediate_size"`
		MaxPositions int64 `json:"max_position_embeddings"`
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
}

// readFolder reads and checks the JSON files. The error names the file and the value.
func readFolder(files modelstore.Folder) (*folder, error) {
	f, err := readConfigs(files)
	if err != nil {
		return nil, err
	}
	if f.Text, err = readTokenizer(files); err != nil {
		return nil, fmt.Errorf("%s: %w", files.Name, err)
	}
	return f, nil
}

// readTokenizer reads tokenizer.json, or SentencePiece's tokenizer.model where
// there is none.
func readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	data, err := files.ReadFile("tokenizer.json")
	if err == nil {
		return tokenizer.FromJSON(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	data, other := files.ReadFile("tokenizer.model")
	if errors.Is(other, fs.ErrNotExist) {
		return nil, err
	}
	if other != nil {
		return nil, other
	}
	return tokenizer.FromSentencePiece(data)
}

// readConfigs reads all but the tokenizer.
func readConfigs(files modelstore.Folder) (*folder, error) {
	f := &folder{
		Preprocessor: preprocessorConfig{SamplingRate: 16000, MelBins: 128, WindowType: "hanning", Std: 1, MaxLength: 1024},
		Generation:   defaultGeneration(),
	}
	f.Network.AudioInsert, f.Network.PromptTemplate, f.Network.History = insertPrefix, placeQuestion, historyTurns
	if err := files.ReadJSON("config.json", &f.Network); err != nil {
		return nil, err
	}
	if err := files.ReadJSON("preprocessor_config.json", &f.Preprocessor); err != nil {
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

func (f *folder) check(name string) error {
	n, p := f.Network, f.Preprocessor
	t := n.TextPart
	template := n.PromptTemplate
	switch {
	case t.VocabSize < 1 || t.HiddenSize < 1 || t.Layers < 1 || t.KVHeads < 1 || t.HeadDim < 1 || t.MaxPositions < 1:
		return fmt.Errorf("%s/config.json: text_config must have vocab_size, hidden_size, num_hidden_layers, num_attention_heads and max_position_embeddings above zero", name)
	case t.Layers > 1024 || t.KVHeads > 1<<12 || t.HeadDim > 1<<14 || t.HiddenSize > 1<<20 || t.MaxPositions > 1<<24 || t.VocabSize > 1<<24:
		return fmt.Errorf("%s/config.json: text_config is out of all proportion", name)
	case n.AudioInsert != insertPrefix && n.AudioInsert != insertToken:
		return fmt.Errorf("%s/config.json: audio_insert must be %s or %s, got %q", name, insertPrefix, insertToken, n.AudioInsert)
	case n.History != historyTurns && n.History != historyNone:
		return fmt.Errorf("%s/config.json: conversation_history must be %s or %s, got %q", name, historyTurns, historyNone, n.History)
	case strings.Count(template, placeQuestion) != 1:
		return fmt.Errorf("%s/config.json: prompt_template must hold %s once, got %q", name, placeQuestion, template)
	case (n.AudioInsert == insertToken) != (strings.Count(template, placeAudio) == 1):
		return fmt.Errorf("%s/config.json: prompt_template must hold %s once with audio_insert %s, and not with %s", name, placeAudio, insertToken, insertPrefix)
	case n.NumAudio < 0 || n.NumAudio >= t.MaxPositions:
		return fmt.Errorf("%s/config.json: num_audio_tokens must be below max_position_embeddings, got %d", name, n.NumAudio)
	case len(n.EOS) == 0:
		return fmt.Errorf("%s/config.json: eos_token_id is missing", name)
	case p.SamplingRate < 1000 || p.SamplingRate > 192000 || p.MelBins < 4 || p.MelBins > 1024:
		return fmt.Errorf("%s/preprocessor_config.json: sampling_rate must be 1000 to 192000 and num_mel_bins 4 to 1024, got %d and %d", name, p.SamplingRate, p.MelBins)
	case p.Std <= 0 || p.MaxLength < 1 || p.MaxLength > 1<<16:
		return fmt.Errorf("%s/preprocessor_config.json: std and max_length must be above zero, got %v and %d", name, p.Std, p.MaxLength)
	case p.UseEnergy || p.Dither != 0:
		return fmt.Errorf("%s/preprocessor_config.json: use_energy and dither are not supported", name)
	}
	if err := f.Generation.check(); err != nil {
		return fmt.Errorf("%s/generation_config.json: %w", name, err)
	}
	return nil
}
