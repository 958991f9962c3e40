package gama

import (
	"context"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// sequence is the input of the decoder: a key for each position. A token's key is its
// id, and row i of the audio has the key -1-i, so that equal keys mean equal rows.
type sequence struct {
	keys  []int64
	sound *encoded
	// dropped is the number of omitted turns.
	dropped int
}

func (s *sequence) addTokens(ids ...int) {
	for _, id := range ids {
		s.keys = append(s.keys, int64(id))
	}
}

func (s *sequence) addSound() {
	for i := range s.sound.n {
		s.keys = append(s.keys, -1-i)
	}
}

// decoderRun is one run of the decoder over a prompt and its continuation. Not safe for
// concurrent use. It must be closed.
type decoderRun struct {
	model *model
	cache *decoding.Cache
	// Reused between steps.
	mask, positions []int64
	logits          []float32
	fixed           map[string]*onnx.Tensor
	logitsTensor    *onnx.Tensor
	// gauge counts the memory of the cache that was written, which is occupied; nil
	// counts nothing.
	gauge    services.Gauge
	occupied services.Bytes
}

// newDecoding returns a decoding for the given number of positions, with the positions
// of the sequence that a snapshot contains.
func (m *model) newDecoding(from *decoding.Snapshot, s *sequence, capacity int64) (*decoderRun, error) {
	c, err := decoding.NewCache(m.cacheShape(), capacity)
	if err != nil {
		return nil, err
	}
	d := &decoderRun{
		model: m, cache: c, mask: make([]int64, capacity), positions: make([]int64, capacity),
		logits: make([]float32, m.folder.Network.TextPart.VocabSize), fixed: make(map[string]*onnx.Tensor),
	}
	for i := range d.mask {
		d.mask[i], d.positions[i] = 1, int64(i)
	}
	if err := c.Restore(from, s.keys); err != nil {
		return nil, joinClose(err, d)
	}
	if m.decoder.HasInput(logitsToKeep) {
		if d.fixed[logitsToKeep], err = onnx.NewScalar(int64(1)); err != nil {
			return nil, joinClose(services.Internal(err, "the input of the model could not be prepared"), d)
		}
	}
	d.logitsTensor, err = onnx.NewTensor(d.logits, 1, 1, int64(len(d.logits)))
	if err != nil {
		return nil, joinClose(services.Internal(err, "the input of the model could not be prepared"), d)
	}
	return d, nil
}

func joinClose(err error, d *decoderRun) error {
	d.Close()
	return err
}

// occupy counts memory of the cache. Only what was written is memory.
func (d *decoderRun) occupy(bytes services.Bytes) {
	if d.gauge != nil {
		d.gauge.Add(bytes - d.occupied)
	}
	d.occupied = bytes
}

// Close releases the native side.
func (d *decoderRun) Close() {
	d.occupy(0)
	d.cache.Close()
	d.logitsTensor.Close()
	for _, t := range d.fixed {
		t.Close()
	}
}

// prefill runs the positions missing from the cache and returns the logits after the
// last position, valid until the next run.
func (d *decoderRun) prefill(ctx context.Context, s *sequence) ([]float32, error) {
	rest := s.keys[d.cache.Len():]
	rows, err := d.rows(ctx, rest, s.sound)
	if err != nil {
		return nil, err
	}
	return d.run(ctx, rows, rest)
}

// step runs one more token.
func (d *decoderRun) step(ctx context.Context, id int) ([]float32, error) {
	keys := []int64{int64(id)}
	rows, err := d.model.embed(ctx, keys)
	if err != nil {
		return nil, err
	}
	return d.run(ctx, rows, keys)
}

// rows returns the embeddings of positions, [len(keys), hidden].
func (d *decoderRun) rows(ctx context.Context, keys []int64, sound *encoded) ([]float32, error) {
	hidden := int(d.model.folder.Network.TextPart.HiddenSize)
	var ids []int64
	for _, key := range keys {
		if key >= 0 {
			ids = append(ids, key)
		}
	}
	var embedded []float32
	if len(ids) > 0 {
		var err error
		if embedded, err = d.model.embed(ctx, ids); err != nil {
			return nil, err
		}
	}
	rows := make([]float32, 0, len(keys)*hidden)
	for _, key := range keys {
		if key >= 0 {
			rows, embedded = append(rows, embedded[:hidden]...), embedded[hidden:]
			continue
		}
		at := int(-1-key) * hidden
		rows = append(rows, sound.rows[at:at+hidden]...)
	}
	return rows, nil
}

// run runs the decoder once. Keys and values are written in place from one set to the
// other; only the logits are read.
func (d *decoderRun) run(ctx context.Context, rows []float32, keys []int64) ([]float32, error) {
	n, more := d.cache.Len(), int64(len(keys))
	inputs, closeInputs, err := d.inputs(rows, n, more)
	defer closeInputs()
	if err != nil {
		return nil, services.Internal(err, "the input of the model could not be prepared")
	}
	outputs := make(map[string]*onnx.Tensor, len(inputs))
	// Without num_logits_to_keep, a run over several positions returns the logits of
	// all of them or of the last one, so the engine must allocate the tensor.
	known := more == 1 || d.fixed[logitsToKeep] != nil
	if known {
		outputs[logitsOutput] = d.logitsTensor
	}
	if err := d.cache.Run(ctx, d.model.decoder, keys, inputs, outputs, logitsOutput); err != nil {
		if !known {
			outputs[logitsOutput].Close()
		}
		return nil, err
	}
	d.occupy(d.cache.Bytes(n+more) + d.cache.Bytes(n))
	if known {
		return d.logits, nil
	}
	defer outputs[logitsOutput].Close()
	values, err := onnx.Values[float32](outputs[logitsOutput])
	if err == nil && len(values) < len(d.logits) {
		err = fmt.Errorf("%s: logits have shape %v", d.model.name, outputs[logitsOutput].Shape())
	}
	if err != nil {
		return nil, services.Internal(err, "the model returned an unusable result")
	}
	copy(d.logits, values[len(values)-len(d.logits):])
	return d.logits, nil
}

// inputs returns the decoder's inputs other than the cache.
func (d *decoderRun) inputs(rows []float32, n, more int64) (map[string]*onnx.Tensor, func(), error) {
	inputs := make(map[string]*onnx.Tensor, 5+2*d.cache.Layers)
	var made []*onnx.Tensor
	done := func() { decoding.CloseAll(made) }
	add := func(name string, t *onnx.Tensor, err error) error {
		if err == nil {
			inputs[name] = t
			made = append(made, t)
		}
		return err
	}
	for name, t := range d.fixed {
		inputs[name] = t
	}
	t, err := onnx.NewTensor(rows, 1, more, d.model.folder.Network.TextPart.HiddenSize)
	if err := add(inputsEmbeds, t, err); err != nil {
		return nil, done, err
	}
	t, err = onnx.NewTensor(d.mask, 1, n+more)
	if err := add(attentionMask, t, err); err != nil {
		return nil, done, err
	}
	if d.model.decoder.HasInput(positionIDs) {
		t, err = onnx.NewTensor(d.positions[n:], 1, more)
		if err := add(positionIDs, t, err); err != nil {
			return nil, done, err
		}
	}
	if d.model.decoder.HasInput(useCache) {
		t, err = onnx.NewTensor([]bool{n > 0}, 1)
		if err := add(useCache, t, err); err != nil {
			return nil, done, err
		}
	}
	return inputs, done, nil
}
