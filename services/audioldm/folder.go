package audioldm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// folder is the parsed configuration of a model. Fields without a comment are those of
// diffusers and transformers.
type folder struct {
	scheduler schedulerConfig
	text      struct {
		Projection int `json:"projection_dim"`
		Pad        int `json:"pad_token_id"`
		BOS        int `json:"bos_token_id"`
		EOS        int `json:"eos_token_id"`
		Hidden     int `json:"hidden_size"`
		Inner      int `json:"intermediate_size"`
		Heads      int `json:"num_attention_heads"`
	}
	unet struct {
		Channels   int      `json:"in_channels"`
		SampleSize int      `json:"sample_size"`
		Blocks     []int64  `json:"block_out_channels"`
		Kinds      []string `json:"down_block_types"`
		// HeadDim is, despite its name, the number of heads.
		HeadDim perLevel `json:"attention_head_dim"`
		Heads   perLevel `json:"num_attention_heads"`
		// RowMultiple is specific to this project: the number of rows of a latent must
		// be a multiple of it. It is zero for a graph that halves the rows at every
		// level.
		RowMultiple int `json:"row_multiple"`
		// AttentionAlong is specific to this project: with "time", each column of the
		// map attends along its rows only. By default every cell attends to every cell.
		AttentionAlong string `json:"attention_along"`
	}
	vae struct {
		Scaling float64 `json:"scaling_factor"`
		Blocks  []int64 `json:"block_out_channels"`
	}
	vocoder struct {
		Bands        int     `json:"model_in_dim"`
		SampleRateHz int     `json:"sampling_rate"`
		Hop          int     `json:"hop_length"`
		Upsample     []int64 `json:"upsample_rates"`
		Kernels      []int64 `json:"upsample_kernel_sizes"`
		Channels     int     `json:"upsample_initial_channel"`
	}
	// maxTokens is the maximum length of a prompt, including its first and last token.
	maxTokens int
}

// perLevel is a number for all levels or an array with one for each.
type perLevel []int64

// UnmarshalJSON accepts both forms; null is empty.
func (p *perLevel) UnmarshalJSON(data []byte) error {
	var one *int64
	if err := json.Unmarshal(data, &one); err == nil {
		if one != nil {
			*p = perLevel{*one}
		}
		return nil
	}
	var list []int64
	err := json.Unmarshal(data, &list)
	*p = list
	return err
}

// readFolder reads and validates everything except the tokenizer and the graphs.
func readFolder(files modelstore.Folder) (*folder, error) {
	f := &folder{scheduler: defaultScheduler(), maxTokens: 512}
	f.text.Pad, f.text.BOS, f.text.EOS = 1, 0, 2
	var tokenizerConfig struct {
		MaxLength float64 `json:"model_max_length"` // some files have 1e30 for no limit
	}
	for _, file := range []struct {
		name string
		into any
	}{
		{schedulerFile, &f.scheduler},
		{partText + "/config.json", &f.text},
		{partUNet + "/config.json", &f.unet},
		{partVAE + "/config.json", &f.vae},
		{partVocoder + "/config.json", &f.vocoder},
		{"tokenizer/tokenizer_config.json", &tokenizerConfig},
	} {
		if err := files.ReadJSON(file.name, file.into); err != nil {
			return nil, err
		}
	}
	if n := tokenizerConfig.MaxLength; n >= 2 && n < maxTokens {
		f.maxTokens = int(n)
	}
	if f.vocoder.Hop == 0 {
		f.vocoder.Hop = int(f.upsampled())
	}
	return f, f.check(files.Name)
}

// readTokenizer reads vocab.json and merges.txt or, if one is missing, tokenizer.json.
func readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	vocab, err := files.ReadFile("tokenizer/vocab.json")
	if err == nil {
		var merges []byte
		if merges, err = files.ReadFile("tokenizer/merges.txt"); err == nil {
			tokens, err := tokenizer.NewByteLevel(vocab, merges, "<unk>")
			if err != nil {
				return nil, fmt.Errorf("%s/tokenizer/%w", files.Name, err)
			}
			return tokens, nil
		}
	}
	alone, jsonErr := files.ReadFile("tokenizer/tokenizer.json")
	if jsonErr != nil {
		return nil, errors.Join(err, jsonErr)
	}
	tokens, err := tokenizer.FromJSON(alone)
	if err != nil {
		return nil, fmt.Errorf("%s/tokenizer/%w", files.Name, err)
	}
	return tokens, nil
}

// Limits of a configuration in addition to those shared by all models.
const (
	maxTokens   = 1_000_000 // of a prompt; some files have 1e30 for unlimited
	maxWidth    = 1 << 16
	maxLevels   = 16
	maxUNet     = 8 // levels, each of which halves the rows
	maxVAE      = 8
	maxChannels = 1 << 10
	maxRows     = 256
	maxHop      = 1 << 14
	maxScaling  = 1e6
	// maxCells is the maximum number of values of a spectrogram or latent per second,
	// and in the shortest one. Public models have 6,400.
	maxCells = 1 << 22
)

// check rejects values that do not describe a pipeline, and those that would require an
// excessive amount of memory.
func (f *folder) check(name string) error {
	for _, check := range []func(name string) error{f.scheduler.check, f.checkText, f.checkUNet, f.checkVAE, f.checkVocoder} {
		if err := check(name); err != nil {
			return err
		}
	}
	if f.vocoder.Bands%f.factor() != 0 {
		return fmt.Errorf("%s/%s/config.json: model_in_dim must be a multiple of %d, the scale of the VAE's block_out_channels, got %d",
			name, partVocoder, f.factor(), f.vocoder.Bands)
	}
	return f.checkCells(name)
}

func (f *folder) checkText(name string) error {
	text := limits.Of(name + "/" + partText + "/config.json")
	text.Int("projection_dim", int64(f.text.Projection), 1, maxWidth)
	text.Int("hidden_size", int64(f.text.Hidden), 0, maxWidth)
	text.Int("intermediate_size", int64(f.text.Inner), 0, maxWidth)
	text.Int("num_attention_heads", int64(f.text.Heads), 0, limits.Heads)
	text.Int("pad_token_id", int64(f.text.Pad), 0, limits.Vocabulary-1)
	text.Int("bos_token_id", int64(f.text.BOS), 0, limits.Vocabulary-1)
	text.Int("eos_token_id", int64(f.text.EOS), 0, limits.Vocabulary-1)
	return text.Err()
}

func (f *folder) checkUNet(name string) error {
	unet := limits.Of(name + "/" + partUNet + "/config.json")
	unet.Int("in_channels", int64(f.unet.Channels), 1, maxChannels)
	unet.Int("sample_size", int64(f.unet.SampleSize), 1, 1<<12)
	unet.Ints("block_out_channels", f.unet.Blocks, 0, maxUNet, 1, maxWidth)
	unet.Count("down_block_types", len(f.unet.Kinds), 0, maxUNet)
	unet.Ints("attention_head_dim", f.unet.HeadDim, 0, maxLevels, 1, maxWidth)
	unet.Ints("num_attention_heads", f.unet.Heads, 0, maxLevels, 1, maxWidth)
	unet.Int("row_multiple", int64(f.unet.RowMultiple), 0, maxRows)
	return unet.Err()
}

func (f *folder) checkVAE(name string) error {
	vae := limits.Of(name + "/" + partVAE + "/config.json")
	vae.Float("scaling_factor", f.vae.Scaling, 1/maxScaling, maxScaling)
	vae.Ints("block_out_channels", f.vae.Blocks, 1, maxVAE, 1, maxWidth)
	return vae.Err()
}

func (f *folder) checkVocoder(name string) error {
	v := f.vocoder
	vocoder := limits.Of(name + "/" + partVocoder + "/config.json")
	vocoder.Int("model_in_dim", int64(v.Bands), 1, limits.MelBands)
	vocoder.Int("sampling_rate", int64(v.SampleRateHz), limits.MinSampleRateHz, limits.MaxSampleRateHz)
	vocoder.Ints("upsample_rates", v.Upsample, 0, maxLevels, 1, maxWidth)
	vocoder.Ints("upsample_kernel_sizes", v.Kernels, 0, maxLevels, 1, maxWidth)
	vocoder.Int("upsample_initial_channel", int64(v.Channels), 0, maxWidth)
	vocoder.Int("upsample_rates, multiplied,", f.upsampled(), 1, maxHop)
	vocoder.Int("hop_length", int64(v.Hop), 1, maxHop)
	return vocoder.Err()
}

// checkCells limits the spectrogram and the latent of a second, and the shortest ones,
// because frames are rounded up to a multiple that the networks can halve.
func (f *folder) checkCells(name string) error {
	vocoder := limits.Of(name + "/" + partVocoder + "/config.json")
	width := int64(f.vocoder.Bands)
	second := int64(f.vocoder.SampleRateHz/f.vocoder.Hop + f.unit())
	vocoder.Int("model_in_dim times the frames of a second", limits.Product(second, width), 1, maxCells)
	factor := int64(f.factor())
	unet := limits.Of(name + "/" + partUNet + "/config.json")
	unet.Int("in_channels times the cells of a second", limits.Product(int64(f.unet.Channels), second/factor+1, width/factor), 1, maxCells)
	return errors.Join(vocoder.Err(), unet.Err())
}

// upsampled returns the number of samples that the vocoder's layers produce per frame.
func (f *folder) upsampled() int64 { return limits.Product(f.vocoder.Upsample...) }

// factor returns the ratio of a mel spectrogram's size to that of the latent.
func (f *folder) factor() int { return 1 << (len(f.vae.Blocks) - 1) }

// levels returns the number of levels of the UNet, which halves the latent at each but
// the first.
func (f *folder) levels() int {
	if len(f.unet.Blocks) > 0 {
		return len(f.unet.Blocks)
	}
	return 4 // as in every public checkpoint
}

// frames returns the number of frames of the mel spectrogram for the given number of
// seconds, which determines the shape of the initial noise. As in diffusers it is a
// multiple of the VAE's factor, and the excess is cut off the waveform. In cases where
// diffusers truncates and its sound is slightly shorter than requested, such as 0.29 s,
// this function returns one more. Graphs whose rows must be halved need still more.
func (f *folder) frames(seconds float64) int {
	perSecond := float64(f.vocoder.SampleRateHz) / float64(f.vocoder.Hop)
	// Without the small tolerance, rounding would add a frame at 4.35 s.
	frames := int(math.Ceil(seconds*perSecond - 1e-6))
	unit := f.unit()
	return (frames + unit - 1) / unit * unit
}

// unit returns the number that the frames must be a multiple of.
func (f *folder) unit() int {
	multiple := f.unet.RowMultiple
	if multiple == 0 {
		multiple = 1 << (f.levels() - 1)
	}
	return f.factor() * multiple
}

// samples returns the number of samples for the given number of seconds.
func (f *folder) samples(seconds float64) int {
	return int(seconds*float64(f.vocoder.SampleRateHz) + 1e-6)
}
