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

// The graphs of a folder, named as in transformers.js.
const (
	encoderGraph  = "audio_encoder"
	embedderGraph = "embed_tokens"
	decoderGraph  = "decoder_model_merged"
)

var graphNames = []string{encoderGraph, embedderGraph, decoderGraph}

// halfSuffix is the suffix of graphs in half precision.
const halfSuffix = "_fp16"

// variants are the weight formats of transformers.js with the suffix of the file's
// name, in order of preference if config.json does not select one.
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

// dtypes is the dtype of transformers.js_config: one for all graphs, or one for each.
type dtypes map[string]string

// UnmarshalJSON accepts both forms.
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
		return errors.New("dtype must be a string, or an object with a string for each graph")
	}
	*d = each
	return nil
}

// check returns an error for an unknown dtype.
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

// graphFile returns the name of a graph's file: the variant selected by config.json, or
// the first that exists.
func (f *folder) graphFile(files modelstore.Folder, name string) string {
	if suffix, ok := suffixOf(f.Network.JS.DType[name]); ok {
		return name + suffix + ".onnx"
	}
	return files.AnyPrecision(name + ".onnx")
}

// graph returns a graph of the folder. bytes is the memory of its weights.
func (f *folder) graph(files modelstore.Folder, name string) (onnx.Graph, services.Bytes, error) {
	file := f.graphFile(files, name)
	graph, size, err := files.Graph(file)
	return graph, inMemory(name, file, size), err
}

// inMemory returns the memory of the weights of a graph with the given file size.
func inMemory(name, file string, size services.Bytes) services.Bytes {
	if file == name+halfSuffix+".onnx" && name != embedderGraph {
		// On a CPU, ONNX Runtime widens the matrices of multiplications when it loads
		// them.
		size = size.Plus(size)
	}
	return size
}
