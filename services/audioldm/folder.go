package audioldm

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// folder is what the small files of a model say. Fields without a comment are
// those of diffusers and transformers.
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
		Blocks     []int    `json:"block_out_channels"`
		Kinds      []string `json:"down_block_types"`
		// HeadDim is, in spite of its name, the number of heads.
		HeadDim perLevel `json:"attention_head_dim"`
		Heads   perLevel `json:"num_attention_heads"`
		// RowMultiple is ours: the graph takes latents whose rows are a multiple of
		// it. Zero for a graph that halves the rows at every level.
		RowMultiple int `json:"row_multiple"`
		// AttentionAlong is ours too: "time" where each column of the map attends
		// along its rows only; every cell to every cell where it is left out.
		AttentionAlong string `json:"attention_along"`
	}
	vae struct {
		Scaling float64 `json:"scaling_factor"`
		Blocks  []int   `json:"block_out_channels"`
	}
	vocoder struct {
		Bands        int   `json:"model_in_dim"`
		SampleRateHz int   `json:"sampling_rate"`
		Hop          int   `json:"hop_length"`
		Upsample     []int `json:"upsample_rates"`
		Kernels      []int `json:"upsample_kernel_sizes"`
		Channels     int   `json:"upsample_initial_channel"`
	}
	// maxTokens of a prompt, its first and last token included.
	maxTokens int
}

// perLevel is a number for all levels or a list with one for each.
type perLevel []int

// UnmarshalJSON reads both forms; null is none.
func (p *perLevel) UnmarshalJSON(data []byte) error {
	var one *int
	if err := json.Unmarshal(data, &one); err == nil {
		if one != nil {
			*p = perLevel{*one}
		}
		return nil
	}
	var list []int
	err := json.Unmarshal(data, &list)
	*p = list
	return err
}

// readFolder reads and checks everything but the tokenizer and the graphs.
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
		{"scheduler/scheduler_config.json", &f.scheduler},
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
	if n := tokenizerConfig.MaxLength; n >= 2 && n < 1e6 {
		f.maxTokens = int(n)
	}
	if f.vocoder.Hop == 0 {
		f.vocoder.Hop = 1
		for _, rate := range f.vocoder.Upsample {
			f.vocoder.Hop *= rate
		}
	}
	return f, f.check(files.Name)
}

// readTokenizer reads vocab.json and merges.txt or, where one is missing,
// tokenizer.json.
func readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	vocab, err := files.ReadFile("tokenizer/vocab.json")
	if err == nil {
		var merges []byte
		if merges, err = files.ReadFile("tokenizer/merges.txt"); err == nil {
			tokens, err := tokenizer.NewByteLevel(vocab, merges, "<unk>")
			if err != nil {
				return nil, fmt.Errorf("%s/tokenizer: %w", files.Name, err)
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
		return nil, fmt.Errorf("%s/tokenizer: %w", files.Name, err)
	}
	return tokens, nil
}

// Bounds of a configuration's lists.
const (
	maxWidth  = 1 << 16
	maxLevels = 16
)

// check refuses values that make no pipeline.
func (f *folder) check(name string) error {
	if err := f.scheduler.check(); err != nil {
		return fmt.Errorf("%s/scheduler/scheduler_config.json: %w", name, err)
	}
	for _, c := range []struct {
		file, field string
		value       int
		most        int
	}{
		{partText, "projection_dim", f.text.Projection, 1 << 16},
		{partUNet, "in_channels", f.unet.Channels, 1 << 10},
		{partUNet, "sample_size", f.unet.SampleSize, 1 << 12},
		{partUNet, "block_out_channels (their number, and one)", len(f.unet.Blocks) + 1, 9},
		{partUNet, "row_multiple (and one)", f.unet.RowMultiple + 1, 257},
		{partVAE, "block_out_channels (their number)", len(f.vae.Blocks), 8},
		{partVocoder, "model_in_dim", f.vocoder.Bands, 1 << 12},
		{partVocoder, "sampling_rate", f.vocoder.SampleRateHz, 192000},
		{partVocoder, "hop_length", f.vocoder.Hop, 1 << 14},
	} {
		if c.value < 1 || c.value > c.most {
			return fmt.Errorf("%s/%s/config.json: %s is %d, want 1 to %d", name, c.file, c.field, c.value, c.most)
		}
	}
	for _, c := range []struct {
		file, field string
		values      []int
	}{
		{partText, "hidden_size, intermediate_size and num_attention_heads", []int{f.text.Hidden + 1, f.text.Inner + 1, f.text.Heads + 1}},
		{partUNet, "block_out_channels", f.unet.Blocks},
		{partUNet, "attention_head_dim", f.unet.HeadDim},
		{partUNet, "num_attention_heads", f.unet.Heads},
		{partVAE, "block_out_channels", f.vae.Blocks},
		{partVocoder, "upsample_rates", f.vocoder.Upsample},
		{partVocoder, "upsample_kernel_sizes", f.vocoder.Kernels},
		{partVocoder, "upsample_initial_channel", []int{f.vocoder.Channels + 1}},
	} {
		// The estimate of memory multiplies them.
		if len(c.values) > 0 && (slices.Min(c.values) < 1 || slices.Max(c.values) > maxWidth || len(c.values) > maxLevels) {
			return fmt.Errorf("%s/%s/config.json: %s must be at most %d numbers from 1 to %d, got %v", name, c.file, c.field, maxLevels, maxWidth, c.values)
		}
	}
	if !(f.vae.Scaling > 0) {
		return fmt.Errorf("%s/%s/config.json: scaling_factor is %g, want it above 0", name, partVAE, f.vae.Scaling)
	}
	if f.vocoder.Bands%f.factor() != 0 {
		return fmt.Errorf("%s: %d mel bands are no multiple of the VAE's factor %d", name, f.vocoder.Bands, f.factor())
	}
	return nil
}

// factor by which the VAE shrinks a mel spectrogram each way.
func (f *folder) factor() int { return 1 << (len(f.vae.Blocks) - 1) }

// levels of the UNet; it halves the latent at each but the first.
func (f *folder) levels() int {
	if len(f.unet.Blocks) > 0 {
		return len(f.unet.Blocks)
	}
	return 4 // of every public checkpoint
}

// frames of the mel spectrogram that are made for so many seconds, which decides
// the shape of the starting noise. As in diffusers they are made a multiple of the
// VAE's factor; the rest is cut off the waveform. Where diffusers cuts a frame
// off first, so that its sound is a little shorter than what was asked for, as at
// 0.29 s, one more is made here. A graph whose rows must halve gets more still.
func (f *folder) frames(seconds float64) int {
	perSecond := float64(f.vocoder.SampleRateHz) / float64(f.vocoder.Hop)
	// The least bit is left out, or rounding would add a frame to 4.35 s.
	frames := int(math.Ceil(seconds*perSecond - 1e-6))
	multiple := f.unet.RowMultiple
	if multiple == 0 {
		multiple = 1 << (f.levels() - 1)
	}
	unit := f.factor() * multiple
	return (frames + unit - 1) / unit * unit
}

// samples of so many seconds.
func (f *folder) samples(seconds float64) int {
	return int(seconds*float64(f.vocoder.SampleRateHz) + 1e-6)
}
