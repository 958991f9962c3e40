package gama

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// The graphs of a folder, by the names that transformers.js has for them.
const (
	encoderGraph  = "audio_encoder"
	embedderGraph = "embed_tokens"
	decoderGraph  = "decoder_model_merged"
)

var graphNames = []string{encoderGraph, embedderGraph, decoderGraph}

// halfSuffix ends the names of graphs in half precision.
const halfSuffix = "_fp16"

// variants are the ways in which transformers.js keeps weights, with the ending of
// the file's name. What stands first is taken first where config.json does not say.
var variants = []struct{ dtype, suffix string }{
	{"fp32", ""},
	{"fp16", halfSuffix},
	{"q8", "_quantized"},
	{"int8", "_int8"},
	{"uint8", "_uint8"},
	{"q4", "_q4"},
	{"q4f16", "_q4f16"},
	{"bnb4", "_bnb4"},
}

// dtypes is dtype of transformers.js_config: one for all graphs, or one for each.
type dtypes map[string]string

// UnmarshalJSON reads both forms.
func (d *dtypes) UnmarshalJSON(data []byte) error {
	var all *string
	if err := json.Unmarshal(data, &all); err == nil {
		if all != nil {
			*d = dtypes{}
			for _, name := range graphNames {
				(*d)[name] = *all
			}
		}
		return nil
	}
	var each map[string]string
	if err := json.Unmarshal(data, &each); err != nil {
		return errors.New("dtype must be a text, or a text for each graph")
	}
	*d = each
	return nil
}

// check gives what is wrong with a dtype.
func (d dtypes) check() error {
	for _, name := range graphNames {
		if dtype := d[name]; dtype != "" && dtype != "auto" {
			if _, ok := suffixOf(dtype); !ok {
				return fmt.Errorf("transformers.js_config: dtype of %s must be fp32, fp16, q8, int8, uint8, q4, q4f16 or bnb4, got %s",
					name, limits.Quote(dtype))
			}
		}
	}
	return nil
}

func suffixOf(dtype string) (string, bool) {
	for _, v := range variants {
		if v.dtype == dtype {
			return v.suffix, true
		}
	}
	return "", false
}

// graphFile is the name of a graph's file: that of the variant which config.json
// names, or of the first that there is.
func (f *folder) graphFile(files modelstore.Folder, name string) string {
	if suffix, ok := suffixOf(f.Network.JS.DType[name]); ok {
		return name + suffix + ".onnx"
	}
	return files.AnyPrecision(name + ".onnx")
}

// graph locates a graph of the folder. The bytes are what its weights take in memory.
func (f *folder) graph(files modelstore.Folder, name string) (onnx.Graph, services.Bytes, error) {
	file := f.graphFile(files, name)
	graph, size, err := files.Graph(file)
	return graph, inMemory(name, file, size), err
}

// inMemory is what the weights of a graph take that has so many bytes in its file.
func inMemory(name, file string, size services.Bytes) services.Bytes {
	if file == name+halfSuffix+".onnx" && name != embedderGraph {
		// On a CPU, ONNX Runtime widens the matrices of products when it loads them.
		size = size.Plus(size)
	}
	return size
}
