package clap

import (
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Graphs as transformers.js names them. A CLAP folder has the encoders apart, or both in
// wholeGraph. poolGraph is specific to this project.
const (
	audioGraph = "audio_model.onnx"
	textGraph  = "text_model.onnx"
	poolGraph  = "pool_model.onnx"
	wholeGraph = "model.onnx"
)

// Names in the graphs as exported by Optimum, and those of this project.
const (
	inputFeatures  = "input_features"
	isLonger       = "is_longer"
	inputIDs       = "input_ids"
	attentionMask  = "attention_mask"
	inputValues    = "input_values"
	audioEmbeds    = "audio_embeds"
	textEmbeds     = "text_embeds"
	patternEmbeds  = "pattern_embeds"
	hiddenState    = "last_hidden_state"
	poolerOutput   = "pooler_output"
	logitsPerAudio = "logits_per_audio"
	logitsOutput   = "logits"
	framesInput    = "frames"
	weightsInput   = "weights"
)

// apart reports whether the encoders of a folder are in graphs of their own.
func apart(files modelstore.Folder) bool {
	return files.Has(files.AnyPrecision(audioGraph)) || files.Has(files.AnyPrecision(textGraph))
}

// contracts returns the contract of each graph by its name.
func (f *folder) contracts(files modelstore.Folder) map[string]onnx.Contract {
	if f.Network.ModelType == typeAST {
		return map[string]onnx.Contract{wholeGraph: f.astContract()}
	}
	text, audio := f.textContract(), f.audioContract()
	if !apart(files) {
		both := onnx.Contract{Inputs: append(text.Inputs, audio.Inputs...), Outputs: append(text.Outputs, audio.Outputs...)}
		both.Outputs = append(both.Outputs, onnx.TensorSpec{Name: logitsPerAudio, Type: onnx.Float32, Rank: 2, Optional: true})
		return map[string]onnx.Contract{wholeGraph: both}
	}
	list := map[string]onnx.Contract{audioGraph: audio, textGraph: text}
	if f.Pooled {
		list[poolGraph] = f.poolContract()
	}
	return list
}

// float returns the specification of a tensor that half-precision exports may have in half
// precision.
func float(name string, dims ...int64) onnx.TensorSpec {
	return onnx.TensorSpec{Name: name, Type: onnx.Float32, Or: onnx.Float16, Rank: len(dims), Dims: dims}
}

func optional(spec onnx.TensorSpec) onnx.TensorSpec {
	spec.Optional = true
	return spec
}

func (f *folder) textContract() onnx.Contract {
	return onnx.Contract{
		Inputs: []onnx.TensorSpec{
			{Name: inputIDs, Type: onnx.Int64, Rank: 2}, {Name: attentionMask, Type: onnx.Int64, Rank: 2, Optional: true},
		},
		Outputs: []onnx.TensorSpec{float(textEmbeds, 0, f.Network.Projection)},
	}
}

func (f *folder) audioContract() onnx.Contract {
	c := onnx.Contract{
		Inputs: []onnx.TensorSpec{
			float(inputFeatures, 0, f.channels(), 0, f.Network.Audio.Bands), {Name: isLonger, Type: onnx.Bool, Rank: 2, Optional: true},
		},
		Outputs: []onnx.TensorSpec{float(audioEmbeds, 0, f.Network.Projection), optional(float(patternEmbeds, 0, f.Network.Projection))},
	}
	if f.Pooled {
		c.Outputs = append(c.Outputs, float(hiddenState, 0, 0, f.Network.Audio.Hidden))
	}
	return c
}

func (f *folder) poolContract() onnx.Contract {
	return onnx.Contract{
		Inputs:  []onnx.TensorSpec{float(framesInput, 0, 0, f.Network.Audio.Hidden), float(weightsInput, 0, 0)},
		Outputs: []onnx.TensorSpec{float(audioEmbeds, 0, f.Network.Projection), optional(float(patternEmbeds, 0, f.Network.Projection))},
	}
}

func (f *folder) astContract() onnx.Contract {
	outputs := []onnx.TensorSpec{float(poolerOutput, 0, f.Network.Hidden)}
	if f.Head == headLabels {
		outputs = []onnx.TensorSpec{float(logitsOutput, 0, int64(len(f.Labels)))}
	}
	p := f.Preprocessor
	return onnx.Contract{Inputs: []onnx.TensorSpec{float(inputValues, 0, int64(p.MaxLength), int64(p.MelBins))}, Outputs: outputs}
}

// facts describe a folder without loading its weights.
type facts struct {
	*folder
	weights services.Bytes
	// problem is the error that would prevent loading the model even though its
	// configuration is valid. An already loaded model stays usable.
	problem error
}

// fixedBytes is the memory of a run that depends on nothing: buffers of the decoder, of the
// features and of the engine.
const fixedBytes = 8 << 20

// runBytes predicts the memory of a run on samples of sound, or of a batch of texts if
// there are none.
func (f *folder) runBytes(samples int64, texts int64) services.Bytes {
	const size = 4
	text := int64(0)
	if texts > 0 {
		t, n := f.Network.Text, int64(f.maxTokens)
		batch := min(texts, textBatch)
		text = limits.Sum(
			limits.Product(size, batch, n, 10*t.Hidden+2*t.Intermediate), limits.Product(2*size, batch, max(1, t.Heads), n, n),
			limits.Product(size, texts, f.Network.Projection))
	}
	sound := int64(0)
	switch {
	case samples <= 0:
	case f.Network.ModelType == typeAST:
		n := f.patches()
		sound = limits.Sum(
			limits.Product(size, n, 8*f.Network.Hidden+2*f.Network.Intermediate), limits.Product(2*size, f.Network.Heads, n, n),
			limits.Product(3*size, int64(f.Preprocessor.MaxLength), int64(f.Preprocessor.MelBins)))
	case f.Pooled:
		sound = f.pooledBytes(samples)
	default:
		sound = f.clipBytes()
	}
	return services.Bytes(limits.Sum(text, sound, limits.Product(3*size, samples), fixedBytes))
}

// pooledBytes is that of a network over frames: of one chunk with its context and of a
// batch of windows.
func (f *folder) pooledBytes(samples int64) int64 {
	const size, cell, values = 4, 24, 24
	a := f.Network.Audio
	rows := min(samples, int64(f.Preprocessor.MaxSamples))/int64(f.Preprocessor.Hop) + 2*(a.FrameContext+1)*int64(f.rowsPerFrame())
	frames := rows/int64(f.rowsPerFrame()) + 1
	chunk := limits.Sum(limits.Product(size, cell, rows, a.Bands), limits.Product(size, values, frames, a.Hidden))
	longest := limits.Product(maxWindowSeconds, a.FramesPerSecond)
	batch := limits.Product(size*6, poolValues+longest*a.Hidden)
	return limits.Sum(chunk, batch)
}

// clipBytes is that of HTS-AT, whose first stage has the most values: an image of
// spec_size squared in patches.
func (f *folder) clipBytes() int64 {
	const size, values, copies = 4, 16, 3
	a := f.Network.Audio
	side := func(i int) int64 { return (a.SpecSize + a.PatchStride[i] - 1) / a.PatchStride[i] }
	patches := limits.Product(side(0), side(1))
	window := limits.Product(a.WindowSize, a.WindowSize)
	features := limits.Product(f.channels(), int64(f.rows()), a.Bands)
	return limits.Sum(
		limits.Product(size*values, patches, a.PatchHidden), limits.Product(2*size, patches, a.Heads[0], window),
		limits.Product(copies*size, features), limits.Product(copies*size, f.channels(), a.SpecSize, a.SpecSize))
}
