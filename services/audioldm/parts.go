package audioldm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Names of the parts, which are also their folders, in order of execution.
const (
	partText    = "text_encoder"
	partUNet    = "unet"
	partVAE     = "vae_decoder"
	partVocoder = "vocoder"
)

var parts = []string{partText, partUNet, partVAE, partVocoder}

// contract returns the contract of a part's graph. Exporters differ in the UNet's
// timestep: a scalar, one for all or one for each element of the batch, an integer or a
// float.
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
				{Name: "timestep", Type: onnx.Int64, Or: onnx.Float32, Rank: timestepRank},
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

// open loads one part.
func (f *folder) open(rt *onnx.Runtime, files modelstore.Folder, part string, cfg onnx.SessionConfig) (*onnx.Session, error) {
	signature, _, err := files.Signature(part + "/model.onnx")
	if err != nil {
		return nil, err
	}
	graph, _, err := files.Graph(part + "/model.onnx")
	if err != nil {
		return nil, err
	}
	return rt.OpenSession(graph, f.contractFor(part, signature), cfg)
}

// contractFor returns the contract with the form of the timestep that the graph uses.
func (f *folder) contractFor(part string, signature onnx.Signature) onnx.Contract {
	if input, ok := onnx.Find(signature.Inputs, "timestep"); ok && input.Dims != nil && len(input.Dims) == 0 {
		return f.contract(part, 0)
	}
	return f.contract(part, 1)
}

// fits returns an error if a graph does not match the configuration.
func (f *folder) fits(name string, prints map[string]footprint) error {
	var errs []error
	for _, part := range parts {
		signature := prints[part].signature
		if err := f.contractFor(part, signature).Fits(signature); err != nil {
			errs = append(errs, fmt.Errorf("%s/%s/model.onnx: %w", name, part, err))
		}
	}
	return errors.Join(errs...)
}

// timestepTensor returns the UNet's timestep in the form that the graph uses.
func timestepTensor(session *onnx.Session, batch int64, timestep int) (*onnx.Tensor, error) {
	input, _ := onnx.Find(session.Signature().Inputs, "timestep")
	if len(input.Dims) > 0 && input.Dims[0] == 1 {
		batch = 1
	}
	if input.Type == onnx.Float32 {
		return timesteps(len(input.Dims), batch, float32(timestep))
	}
	return timesteps(len(input.Dims), batch, int64(timestep))
}

func timesteps[T onnx.Element](rank int, batch int64, timestep T) (*onnx.Tensor, error) {
	if rank == 0 {
		return onnx.NewScalar(timestep)
	}
	return onnx.NewTensor(slices.Repeat([]T{timestep}, int(batch)), batch)
}

// footprint describes the memory of a part according to its file.
type footprint struct {
	weights services.Bytes
	// attends reports whether the part has attention, whose memory grows with the
	// square of the length.
	attends   bool
	signature onnx.Signature
}

// footprints are those of the four graphs.
func footprints(files modelstore.Folder) (map[string]footprint, error) {
	list := make(map[string]footprint, len(parts))
	for _, part := range parts {
		signature, bytes, err := files.Signature(part + "/model.onnx")
		if err != nil {
			return nil, err
		}
		list[part] = footprint{weights: bytes, attends: signature.Attends(), signature: signature}
	}
	return list, nil
}
