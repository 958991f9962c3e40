package audioldm

import (
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// Names of the parts, which are their folders, in the order of their work.
const (
	partText    = "text_encoder"
	partUNet    = "unet"
	partVAE     = "vae_decoder"
	partVocoder = "vocoder"
)

var parts = []string{partText, partUNet, partVAE, partVocoder}

// folder is what the small files of a model say.
type folder struct {
	scheduler schedulerConfig
	text      struct {
		Projection int `json:"projection_dim"`
		Pad        int `json:"pad_token_id"`
		BOS        int `json:"bos_token_id"`
		EOS        int `json:"eos_token_id"`
	}
	unet struct {
		Channels   int `json:"in_channels"`
		SampleSize int `json:"sample_size"`
		// Blocks has the channels of each level; some files leave it out.
		Blocks []int `json:"block_out_channels"`
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
	}
	maxTokens int
	tokens    *tokenizer.ByteLevel
}

// readFolder reads and checks everything but the graphs.
func readFolder(files modelstore.Folder) (*folder, error) {
	f := &folder{scheduler: defaultScheduler(), maxTokens: 512}
	f.text.Pad, f.text.BOS, f.text.EOS = 1, 0, 2
	f.vae.Scaling = 0
	var tokenizerConfig struct {
		MaxLength float64 `json:"model_max_length"` // some files have 1e30 for no limit
		Unknown   any     `json:"unk_token"`
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
	vocab, err := files.ReadFile("tokenizer/vocab.json")
	if err != nil {
		return nil, err
	}
	merges, err := files.ReadFile("tokenizer/merges.txt")
	if err != nil {
		return nil, err
	}
	if f.tokens, err = tokenizer.NewByteLevel(vocab, merges, "<unk>"); err != nil {
		return nil, fmt.Errorf("%s/tokenizer: %w", files.Name, err)
	}
	if f.vocoder.Hop == 0 {
		f.vocoder.Hop = 1
		for _, rate := range f.vocoder.Upsample {
			f.vocoder.Hop *= rate
		}
	}
	return f, f.check(files.Name)
}

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
		{partVAE, "block_out_channels (their number)", len(f.vae.Blocks), 8},
		{partVocoder, "model_in_dim", f.vocoder.Bands, 1 << 12},
		{partVocoder, "sampling_rate", f.vocoder.SampleRateHz, 192000},
		{partVocoder, "hop_length", f.vocoder.Hop, 1 << 14},
	} {
		if c.value < 1 || c.value > c.most {
			return fmt.Errorf("%s/%s/config.json: %s is %d, want 1 to %d", name, c.file, c.field, c.value, c.most)
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

// frames of the mel spectrogram that are made for so many seconds. The UNet
// halves the latent at each level and joins the halves again, so that its rows
// must divide; a length in between is made longer and cut at the end.
func (f *folder) frames(seconds float64) int {
	perSecond := float64(f.vocoder.SampleRateHz) / float64(f.vocoder.Hop)
	// The least bit is left out, or rounding would add a frame to 4.35 s.
	frames := int(math.Ceil(seconds*perSecond - 1e-6))
	levels := 4 // of every public checkpoint
	if len(f.unet.Blocks) > 0 {
		levels = len(f.unet.Blocks)
	}
	unit := f.factor() << (levels - 1)
	return (frames + unit - 1) / unit * unit
}

// samples of so many seconds.
func (f *folder) samples(seconds float64) int {
	return int(seconds*float64(f.vocoder.SampleRateHz) + 1e-6)
}

// contract of a part's graph. timestepRank is 0 or 1: exporters differ.
func (f *folder) contract(part string, timestepRank int) onnx.Contract {
	width := int64(f.vocoder.Bands / f.factor())
	latent := []int64{0, int64(f.unet.Channels), 0, width}
	switch part {
	case partText:
		return onnx.Contract{
			Inputs: []onnx.TensorSpec{
				{Name: "input_ids", Type: onnx.Int64, Rank: 2}, {Name: "attention_mask", Type: onnx.Int64, Rank: 2, Optional: true},
			},
			Outputs: []onnx.TensorSpec{{Name: "text_embeds", Type: onnx.Float32, Rank: 2, Dims: []int64{0, int64(f.text.Projection)}}},
		}
	case partUNet:
		return onnx.Contract{
			Inputs: []onnx.TensorSpec{
				{Name: "sample", Type: onnx.Float32, Rank: 4, Dims: latent},
				{Name: "timestep", Type: onnx.Int64, Rank: timestepRank},
				{Name: "class_labels", Type: onnx.Float32, Rank: 2, Dims: []int64{0, int64(f.text.Projection)}},
			},
			Outputs: []onnx.TensorSpec{{Name: "out_sample", Type: onnx.Float32, Rank: 4}},
		}
	case partVAE:
		return onnx.Contract{
			Inputs:  []onnx.TensorSpec{{Name: "latent_sample", Type: onnx.Float32, Rank: 4, Dims: latent}},
			Outputs: []onnx.TensorSpec{{Name: "sample", Type: onnx.Float32, Rank: 4, Dims: []int64{0, 1, 0, int64(f.vocoder.Bands)}}},
		}
	default:
		return onnx.Contract{
			Inputs:  []onnx.TensorSpec{{Name: "spectrogram", Type: onnx.Float32, Rank: 3, Dims: []int64{0, 0, int64(f.vocoder.Bands)}}},
			Outputs: []onnx.TensorSpec{{Name: "waveform", Type: onnx.Float32, Rank: 2}},
		}
	}
}

// weights of the four graphs.
func weights(files modelstore.Folder) (sum services.Bytes, err error) {
	for _, part := range parts {
		_, bytes, err := files.Graph(part + "/model.onnx")
		if err != nil {
			return 0, err
		}
		sum += bytes
	}
	return sum, nil
}

// runBytes predicts the memory that the parts' runs take together: each keeps
// what its own largest run needed. The UNet's widest maps and its attention
// scores, the decoder's maps at full size, and the vocoder's last stages dominate.
func (f *folder) runBytes(seconds float64, guided bool) services.Bytes {
	const float = 4
	batch := int64(1)
	if guided {
		batch = 2
	}
	frames := int64(f.frames(seconds))
	bands, factor := int64(f.vocoder.Bands), int64(f.factor())
	cells := frames / factor * bands / factor
	base := int64(32)
	if len(f.unet.Blocks) > 0 {
		base = int64(f.unet.Blocks[0])
	}
	unet := batch * (cells*base*24 + 8*(cells/4)*(cells/4)) * float
	vae := frames * bands * max(32, int64(f.vae.Blocks[0])) * 6 * float
	vocoder := frames * int64(f.vocoder.Hop) * 32 * 4 * float
	return services.Bytes(unet+vae+vocoder) + 8*services.MiB
}
