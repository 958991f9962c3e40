package editing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// ErrTooLarge is returned if a temporary file would exceed Env.MaxBytes.
var ErrTooLarge = errors.New("the sound is too long for a temporary file")

// ErrTemporary is returned if a temporary file cannot be written or read.
var ErrTemporary = errors.New("temporary file")

// spoolBytes is a bound for the memory of a spool.
func spoolBytes(channels int) int64 { return int64(8*blockFrames*channels + 64<<10) }

// spool has sound in a temporary file, which is created by the first write.
type spool struct {
	env      Env
	channels int
	file     *os.File
	writer   *bufio.Writer
	buf      []byte
	block    []float32
	frames   int64
}

func newSpool(env Env, channels int) *spool { return &spool{env: env, channels: channels} }

func (s *spool) write(block []float32) error {
	if s.file == nil {
		file, err := os.CreateTemp(s.env.Dir, "edit-*")
		if err != nil {
			return errors.Join(ErrTemporary, err)
		}
		s.file, s.writer = file, bufio.NewWriterSize(file, 32<<10)
	}
	if (s.frames*int64(s.channels)+int64(len(block)))*4 > s.env.MaxBytes {
		return fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, s.env.MaxBytes)
	}
	s.buf = s.buf[:0]
	for _, v := range block {
		s.buf = binary.LittleEndian.AppendUint32(s.buf, math.Float32bits(v))
	}
	s.frames += int64(len(block) / s.channels)
	if _, err := s.writer.Write(s.buf); err != nil {
		return errors.Join(ErrTemporary, err)
	}
	return nil
}

// read passes the sound on in blocks, the last block first if backwards is set, and
// removes the file.
func (s *spool) read(backwards bool, emit func(at int64, block []float32) error) (err error) {
	if s.file == nil {
		return nil
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.writer.Flush(); err != nil {
		return errors.Join(ErrTemporary, err)
	}
	blocks := (s.frames + blockFrames - 1) / blockFrames
	for i := range blocks {
		if backwards {
			i = blocks - 1 - i
		}
		at := i * blockFrames
		n := min(blockFrames, s.frames-at)
		if err := s.load(at, int(n)); err != nil {
			return err
		}
		if err := emit(at, s.block); err != nil {
			return err
		}
	}
	return nil
}

// load reads frames into the block.
func (s *spool) load(at int64, n int) error {
	size := n * s.channels
	if cap(s.buf) < 4*size {
		s.buf = make([]byte, 4*size)
	}
	if cap(s.block) < size {
		s.block = make([]float32, size)
	}
	s.buf, s.block = s.buf[:4*size], s.block[:size]
	if _, err := io.ReadFull(io.NewSectionReader(s.file, at*int64(4*s.channels), int64(4*size)), s.buf); err != nil {
		return errors.Join(ErrTemporary, err)
	}
	for i := range s.block {
		s.block[i] = math.Float32frombits(binary.LittleEndian.Uint32(s.buf[4*i:]))
	}
	return nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), os.Remove(s.file.Name()))
	s.file = nil
	return err
}

// reverse plays the sound backwards.
type reverse struct{ named }

func (*reverse) check() error { return nil }

func (*reverse) build(in Format, env Env) (built, error) {
	return built{stage: &reverser{spool: newSpool(env, in.Channels)}, out: in, bytes: spoolBytes(in.Channels)}, nil
}

type reverser struct {
	basic
	spool *spool
}

func (r *reverser) process(block []float32, _ Emit) error { return r.spool.write(block) }

func (r *reverser) flush(emit Emit) error {
	channels := r.spool.channels
	return r.spool.read(true, func(_ int64, block []float32) error {
		for i, j := 0, len(block)-channels; i < j; i, j = i+channels, j-channels {
			for c := range channels {
				block[i+c], block[j+c] = block[j+c], block[i+c]
			}
		}
		return emit(block)
	})
}

func (r *reverser) close() error { return r.spool.close() }
