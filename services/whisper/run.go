package whisper

import (
	"context"
	"errors"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// decoderRun is the decoder over the windows of one recording, whose memory it keeps. Not
// safe for concurrent use. It must be closed.
type decoderRun struct {
	model *model
	// hidden is the encoder's result for the current window.
	hidden *onnx.Tensor
	past   *decoding.Cache
	// cross are the keys and values of the encoder's result, which the first run on a
	// window computes, in memory for every row. They have no positions to be added.
	cross       []*onnx.Tensor
	crossMemory []decoding.Block
	crossInputs []string
	crossNames  []string
	// logits has those of a step, of shape [rows, 1, vocabulary].
	logits     *onnx.Tensor
	logitsRows int64
	// keys stand for positions, which are not compared with others.
	keys []int64
}

// newRun returns a decoder for up to rows texts at once.
func (m *model) newRun(rows int64) (*decoderRun, error) {
	shape := m.folder.pastShape()
	shape.Kind, shape.Rows = m.cache, rows
	r := &decoderRun{model: m, keys: make([]int64, m.folder.Network.TargetPosition)}
	var err error
	if r.past, err = decoding.NewCache(shape, m.folder.Network.TargetPosition); err != nil {
		return nil, err
	}
	r.crossInputs, r.crossNames = m.folder.crossShape().Names()
	for range r.crossNames {
		memory, err := decoding.Allocate(rows * r.crossBytes())
		if err != nil {
			r.Close()
			return nil, err
		}
		r.crossMemory = append(r.crossMemory, memory)
	}
	if err := r.viewCross(1); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// crossBytes returns the size of one row of one tensor of the encoder's keys or values.
func (r *decoderRun) crossBytes() int64 {
	n := r.model.folder.Network
	return n.SourceFrames * n.Width * r.model.cache.Size()
}

// viewCross makes cross have the given number of rows.
func (r *decoderRun) viewCross(rows int64) error {
	n := r.model.folder.Network
	decoding.CloseAll(r.cross)
	r.cross = r.cross[:0]
	for _, memory := range r.crossMemory {
		used := memory.Bytes[:rows*r.crossBytes()]
		t, err := onnx.NewRawTensor(r.model.cache, used, rows, n.DecoderHeads, n.SourceFrames, n.Width/n.DecoderHeads)
		if err != nil {
			return unprepared(err)
		}
		r.cross = append(r.cross, t)
	}
	return nil
}

// Close releases the native side and the memory.
func (r *decoderRun) Close() {
	if r.past != nil {
		r.past.Close()
	}
	decoding.CloseAll(r.cross)
	for _, memory := range r.crossMemory {
		memory.Free()
	}
	r.logits.Close()
	r.hidden.Close()
	r.cross, r.crossMemory, r.logits, r.hidden = nil, nil, nil, nil
}

// hear begins a window with the encoder's result, which the run takes over.
func (r *decoderRun) hear(hidden *onnx.Tensor) error {
	r.hidden.Close()
	r.hidden = hidden
	return r.reset()
}

// reset begins a new text on the same window.
func (r *decoderRun) reset() error {
	if len(r.cross) > 0 && r.past.Width() != 1 {
		if err := r.viewCross(1); err != nil {
			return err
		}
	}
	return r.past.Reset()
}

// add adds tokens to the only text, and returns the logits of each, of shape [tokens,
// vocabulary]. They are valid until the next run.
func (r *decoderRun) add(ctx context.Context, tokens []int) ([]float32, error) {
	return r.run(ctx, tokens, int64(len(tokens)), nil)
}

// fork makes each text a copy of the one that sources names, with a further token, and
// returns the logits of each text, of shape [texts, vocabulary].
func (r *decoderRun) fork(ctx context.Context, sources, tokens []int) ([]float32, error) {
	rows, before := int64(len(sources)), r.past.Width()
	if err := r.past.Select(sources); err != nil {
		return nil, err
	}
	if rows != before {
		size := r.crossBytes()
		for _, memory := range r.crossMemory { // every row hears the same
			for row := before; row < rows; row++ {
				copy(memory.Bytes[row*size:(row+1)*size], memory.Bytes[:size])
			}
		}
		if err := r.viewCross(rows); err != nil {
			return nil, err
		}
	}
	return r.run(ctx, tokens, 1, nil)
}

// run runs the decoder over more positions of every text. attended receives the outputs
// with the attention, which the caller closes; nil drops them.
func (r *decoderRun) run(ctx context.Context, tokens []int, more int64, attended map[string]*onnx.Tensor) ([]float32, error) {
	n, first := r.model.folder.Network, r.past.Len() == 0
	if r.past.Len()+more > n.TargetPosition {
		err := fmt.Errorf("%d positions of %d", r.past.Len()+more, n.TargetPosition)
		return nil, services.Internal(err, "the text of a window grew too long")
	}
	logits, err := r.logitsOf(more)
	if err != nil {
		return nil, err
	}
	outputs := map[string]*onnx.Tensor{logitsOutput: logits}
	if first {
		for i, name := range r.crossNames {
			outputs[name] = r.cross[i]
		}
	}
	inputs, made, err := r.inputs(tokens, more, first)
	defer func() { decoding.CloseAll(made) }()
	if err == nil {
		err = r.past.Run(ctx, r.model.decoder, r.keys[:more], inputs, outputs, logitsOutput)
	}
	if !first { // the outputs of a continuation have no elements
		for _, name := range r.crossNames {
			outputs[name].Close()
		}
	}
	for _, name := range r.model.attention {
		if attended == nil || err != nil {
			outputs[name].Close()
		} else {
			attended[name] = outputs[name]
		}
	}
	if err != nil {
		return nil, r.drop(logits, err)
	}
	values, err := onnx.Floats(logits)
	if err != nil {
		err = services.Internal(err, "the model returned an unusable result")
	}
	return values, r.drop(logits, err)
}

// logitsOf returns the tensor of the logits of more positions. That of a single one is used
// again.
func (r *decoderRun) logitsOf(more int64) (*onnx.Tensor, error) {
	rows, width := r.past.Width(), r.model.folder.Network.VocabSize
	if more > 1 {
		return floats(r.model.logits, rows, more, width)
	}
	if r.logits != nil && r.logitsRows == rows {
		return r.logits, nil
	}
	r.logits.Close()
	var err error
	r.logits, err = floats(r.model.logits, rows, 1, width)
	r.logitsRows = rows
	return r.logits, err
}

// drop closes the logits of several positions, whose values stay, and returns err.
func (r *decoderRun) drop(logits *onnx.Tensor, err error) error {
	if logits != r.logits {
		logits.Close()
	}
	return err
}

// inputs returns the tensors that a run reads, without the decoder's own past; made are those
// to close.
func (r *decoderRun) inputs(tokens []int, more int64, first bool) (inputs map[string]*onnx.Tensor, made []*onnx.Tensor, err error) {
	ids, positions := make([]int64, len(tokens)), make([]int64, more)
	for i, token := range tokens {
		ids[i] = int64(token)
	}
	for i := range positions {
		positions[i] = r.past.Len() + int64(i)
	}
	inputs = map[string]*onnx.Tensor{hiddenInput: r.hidden}
	add := func(name string, t *onnx.Tensor, failed error) {
		if failed != nil {
			err = errors.Join(err, unprepared(failed))
			return
		}
		inputs[name], made = t, append(made, t)
	}
	t, failed := onnx.NewTensor(ids, r.past.Width(), more)
	add(inputIDs, t, failed)
	t, failed = onnx.NewTensor([]bool{!first}, 1)
	add(useCache, t, failed)
	if r.model.decoder.HasInput(cachePosition) {
		t, failed = onnx.NewTensor(positions, more)
		add(cachePosition, t, failed)
	}
	for i, name := range r.crossInputs {
		inputs[name] = r.cross[i]
	}
	return inputs, made, err
}
