package editing

import (
	"errors"
	"fmt"
)

// blockFrames is the maximum number of frames that a stage processes at a time.
const blockFrames = 4096

// Format describes sound between two operations.
type Format struct {
	SampleRateHz, Channels int
	// Frames is the expected length.
	Frames float64
	// Shorter is set if the sound may be shorter than that.
	Shorter bool
}

// Seconds returns the expected length.
func (f Format) Seconds() float64 { return f.Frames / float64(f.SampleRateHz) }

// Env is what operations need besides the sound.
type Env struct {
	// Dir is the folder for temporary files.
	Dir string
	// MaxBytes is the maximum size of a temporary file.
	MaxBytes int64
	// MaxSeconds is the maximum length of the sound after each operation.
	MaxSeconds float64
	// Open opens a stored recording that an operation names; nil if there are none. The
	// caller closes it.
	Open func(id string) (Source, error)
	// Cut is called where the sound is split, after the last block of each part, with its
	// first frame and the one behind its last.
	Cut func(from, to int64) error
	// Step is called before each block of each operation. An error ends the edit. It may be
	// nil.
	Step func() error

	index int // of the operation that is built
}

// Emit receives a block of whole frames. It may change the block but not retain it.
type Emit func(block []float32) error

// stage is a running operation. Blocks have at most blockFrames frames.
type stage interface {
	// process consumes a block and emits the output that is complete. The stage may change
	// the block but not retain it.
	process(block []float32, emit Emit) error
	// flush emits the rest at the end of the sound.
	flush(emit Emit) error
	// full reports whether the stage ignores all further input.
	full() bool
	// close releases what the stage holds. It may be called at any time.
	close() error
}

// basic has the methods of a stage that holds nothing back.
type basic struct{}

func (basic) flush(Emit) error { return nil }
func (basic) full() bool       { return false }
func (basic) close() error     { return nil }

// OperationError is an invalid parameter of the operation at an index.
type OperationError struct {
	Index int
	Err   *ParamError
}

// Error implements error.
func (e *OperationError) Error() string { return fmt.Sprintf("operations[%d].%v", e.Index, e.Err) }

// Unwrap returns the parameter's error.
func (e *OperationError) Unwrap() error { return e.Err }

// Chain runs operations one after the other. Not safe for concurrent use.
type Chain struct {
	stages   []stage
	channels []int // of the input of each stage
	emits    []Emit
	sink     Emit
	step     func() error
	out      Format
	bytes    int64
}

// New returns a Chain for sound of a format. The caller closes it. A wrong parameter is
// an *OperationError.
func New(operations []Operation, in Format, env Env) (*Chain, error) {
	c := &Chain{out: in, step: env.Step}
	for i, operation := range operations {
		env.index = i
		b, err := operation.build(c.out, env)
		if _, last := operation.(*split); last && i < len(operations)-1 {
			err = invalid("op", "must be the last operation")
		}
		if err == nil && b.out.Seconds() > env.MaxSeconds {
			err = invalid("op", "would make the recording %.0f s long, the limit is %.0f s", b.out.Seconds(), env.MaxSeconds)
		}
		var param *ParamError
		switch {
		case errors.As(err, &param):
			return nil, &OperationError{Index: i, Err: param}
		case err != nil:
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
		c.stages = append(c.stages, b.stage)
		c.channels = append(c.channels, c.out.Channels)
		c.bytes += b.bytes + int64(4*2*blockFrames*b.out.Channels)
		c.out = b.out
	}
	for i := range c.stages {
		c.emits = append(c.emits, func(block []float32) error { return c.push(i+1, block) })
	}
	return c, nil
}

// Output returns the format of the result with its expected length.
func (c *Chain) Output() Format { return c.out }

// Bytes returns a bound for the memory of the operations.
func (c *Chain) Bytes() int64 { return c.bytes }

// push passes a block to a stage, or to the receiver after the last one.
func (c *Chain) push(i int, block []float32) error {
	if len(block) == 0 {
		return nil
	}
	if i == len(c.stages) {
		if c.step != nil {
			if err := c.step(); err != nil {
				return err
			}
		}
		return c.sink(block)
	}
	size := blockFrames * c.channels[i]
	for len(block) > 0 && !c.stages[i].full() {
		n := min(len(block), size)
		if c.step != nil {
			if err := c.step(); err != nil {
				return err
			}
		}
		if err := c.stages[i].process(block[:n], c.emits[i]); err != nil {
			return err
		}
		block = block[n:]
	}
	return nil
}

// Process edits a block of whole frames, which it may change.
func (c *Chain) Process(block []float32, emit Emit) error {
	c.sink = emit
	return c.push(0, block)
}

// Flush ends the sound and emits the rest.
func (c *Chain) Flush(emit Emit) error {
	c.sink = emit
	for i, s := range c.stages {
		if err := s.flush(c.emits[i]); err != nil {
			return err
		}
	}
	return nil
}

// Full reports whether further input cannot change the result, as after the end of a
// trim.
func (c *Chain) Full() bool {
	for _, s := range c.stages {
		if s.full() {
			return true
		}
	}
	return false
}

// Close removes temporary files.
func (c *Chain) Close() error {
	var errs []error
	for _, s := range c.stages {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
