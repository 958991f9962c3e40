package audioldm

import (
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
)

// Size of a number, and the overhead of a session beside weights and runs.
const (
	float        = 4
	sessionBytes = 6 * services.MiB
	// besideBytes is the memory of the Go heap beside the sounds: the bytes of an
	// embedded graph while it is loaded, and garbage.
	besideBytes = 26 * services.MiB
)

// demand is the peak memory of a request.
type demand struct {
	// runs is the memory of all parts' runs, because each loaded part retains the
	// memory of its largest run.
	runs services.Bytes
	// load is the additional memory for loading the model: the weights, and a temporary
	// copy of part of them.
	load services.Bytes
	// staged is the total memory of a task that loads each part only for its stage.
	staged services.Bytes
}

// demand predicts a request's memory. The factors were measured on the shape of
// audioldm-s and on the embedded model, see docs/benchmarks.md.
func (f *folder) demand(prints map[string]footprint, p plan) demand {
	var d demand
	sounds := f.soundBytes(p)
	for _, part := range parts {
		print := prints[part]
		run := f.runBytes(part, print.attends, p)
		d.runs = d.runs.Plus(run)
		d.load = d.load.Plus(print.weights, print.weights/2)
		// Loading needs up to a second copy of the weights, and ends before the run.
		d.staged = max(d.staged, print.weights.Plus(max(print.weights, run), sounds))
	}
	d.runs = d.runs.Plus(sounds)
	return d
}

// runBytes predicts the memory of one part's largest run.
func (f *folder) runBytes(part string, attends bool, p plan) services.Bytes {
	frames := int64(f.frames(p.seconds))
	rows, width := frames/int64(f.factor()), int64(f.vocoder.Bands/f.factor())
	var floats int64
	switch part {
	case partText:
		floats = f.textFloats(p)
	case partUNet:
		batch := p.batch()
		floats = limits.Product(batch*18, rows, width, f.baseChannels())
		if attends {
			floats = limits.Sum(floats, limits.Product(batch*2, f.attentionFloats(rows, width)))
		}
	case partVAE:
		widest, deepest := max(f.vae.Blocks[0], 8), f.vae.Blocks[len(f.vae.Blocks)-1]
		floats = limits.Product(9, frames, int64(f.vocoder.Bands), widest)
		if attends {
			// One head attends to all cells of the latent: scores, and their softmax.
			cells := rows * width
			floats = max(floats, limits.Sum(limits.Product(2, cells, cells), limits.Product(14, cells, deepest)))
		}
	default:
		floats = limits.Product(frames, f.vocoderFloats())
	}
	return services.Bytes(limits.Product(floats, float)).Plus(sessionBytes)
}

// textFloats uses the bytes of the longer prompt as an upper bound for the tokens.
func (f *folder) textFloats(p plan) int64 {
	tokens := int64(min(f.maxTokens, max(len(p.prompt), len(p.negative))+2))
	hidden, heads := max(f.text.Hidden, f.text.Projection), max(f.text.Heads, 1)
	return limits.Product(tokens, limits.Product(2, tokens, int64(heads))+8*int64(hidden)+3*int64(f.text.Inner))
}

func (f *folder) baseChannels() int64 {
	if len(f.unet.Blocks) > 0 {
		return f.unet.Blocks[0]
	}
	return 128 // of the smallest public checkpoint
}

// attentionFloats is the number of scores of one sample at the largest map with
// attention.
func (f *folder) attentionFloats(rows, width int64) int64 {
	level := 1 // of every public checkpoint
	for i, kind := range f.unet.Kinds {
		if kind != "DownBlock2D" {
			level = i
			break
		}
	}
	heads := int64(0)
	for _, n := range append(slices.Clone(f.unet.HeadDim), f.unet.Heads...) {
		heads = max(heads, n)
	}
	if heads == 0 {
		heads = 8 // likewise
	}
	halvings := int64(1) << level
	rows, width = (rows+halvings-1)/halvings, (width+halvings-1)/halvings
	if f.unet.AttentionAlong == "time" {
		return limits.Product(heads, width, rows, rows)
	}
	return limits.Product(heads, rows, width, rows, width)
}

// vocoderFloats returns the values per frame. HiFi-GAN's upsampling convolutions expand
// every input over their kernel before summing; about five maps of the result's size
// are held at once.
func (f *folder) vocoderFloats() int64 {
	v := f.vocoder
	if v.Channels == 0 || len(v.Kernels) != len(v.Upsample) {
		return int64(v.Hop) * 40
	}
	most, length, channels := int64(0), int64(1), int64(v.Channels)
	for i, rate := range v.Upsample {
		channels /= 2
		spread := limits.Product(v.Kernels[i], channels, length)
		length = limits.Product(length, rate)
		most = max(most, limits.Sum(spread, limits.Product(5, channels, length)))
	}
	return most
}

// batch returns the number of samples that the UNet computes at once.
func (p plan) batch() int64 {
	if p.guidance > 1 {
		return 2
	}
	return 1
}

// soundBytes returns the Go heap's part: what is kept of all sounds, and garbage.
func (f *folder) soundBytes(p plan) services.Bytes { return f.sounds(p).Plus(besideBytes) }

// sounds returns the memory of latents and spectrograms of all sounds, their samples, and a
// temporary copy of a tensor.
func (f *folder) sounds(p plan) services.Bytes {
	frames := int64(f.frames(p.seconds))
	each := limits.Product(frames, int64(f.vocoder.Bands)+2*int64(f.vocoder.Hop))
	return services.Bytes(limits.Product(int64(p.count+1)*float, each))
}

// unlimited is the room without a limit.
const unlimited = services.Bytes(math.MaxInt64)
