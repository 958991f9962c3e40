package modelstore

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// ReadIndex is ReadJSON for a file with an entry for each token of a vocabulary, which
// may be larger than a configuration file.
func (f Folder) ReadIndex(name string, into any) error {
	data, err := f.ReadFile(name)
	if err != nil {
		return err
	}
	if err := limits.Decode(data, into, limits.Index); err != nil {
		return fmt.Errorf("%s/%s: %w", f.Name, name, err)
	}
	return nil
}

// Unusable returns the fault for a model whose folder cannot be loaded. Invalid files
// of a model that the request names are a fault of the request, and the client receives
// the details. Invalid files of the default model, and errors of the engine or the
// system, are faults of the service. Without an error there is no fault.
func Unusable(name, defaultModel string, err error) error {
	if services.KindOf(err) != services.KindInternal {
		return err
	}
	var errno syscall.Errno
	system := errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist)
	if name == defaultModel || system || errors.Is(err, onnx.ErrEngine) {
		return services.Internal(err, "model %s cannot be loaded", name)
	}
	return services.Invalidf("model", "%q cannot be loaded: %v", modelOf(name), err)
}
