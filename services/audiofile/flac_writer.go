package audiofile

import (
	"bufio"
	"cmp"
	"fmt"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// flacBlock is the number of frames per block, as in the reference encoder.
const flacBlock = 4096

// flacEncoder collects samples into blocks. The library chooses the prediction of each
// block: constant, fixed of order 0 to 4, or none.
type flacEncoder struct {
	w       *seekBuffer
	out     Output
	bits    int
	encoder *flac.Encoder
	// held has the samples of each channel, at most one block.
	held   [][]int32
	filled int
}

// seekBuffer combines the encoder's many small writes, and tracks the position when the
// encoder seeks back to complete its header.
type seekBuffer struct {
	*bufio.Writer
	under *recorded
}

// recorded records the first error of a file, because the library's own errors do not wrap it.
type recorded struct {
	file io.WriteSeeker
	err  error
}

// Write implements io.Writer.
func (r *recorded) Write(p []byte) (int, error) {
	n, err := r.file.Write(p)
	r.err = cmp.Or(r.err, err)
	return n, err
}

// Seek implements io.Seeker.
func (r *recorded) Seek(offset int64, whence int) (int64, error) {
	at, err := r.file.Seek(offset, whence)
	r.err = cmp.Or(r.err, err)
	return at, err
}

// cause returns the error of the file that an error of the library is due to, or the error
// itself.
func (r *recorded) cause(err error) error {
	if err != nil && r.err != nil {
		return r.err
	}
	return err
}

// Seek implements io.Seeker.
func (b *seekBuffer) Seek(offset int64, whence int) (int64, error) {
	if err := b.Flush(); err != nil {
		return 0, err
	}
	return b.under.Seek(offset, whence)
}

func newFLACEncoder(w io.WriteSeeker, out Output, tags []Tag) (*flacEncoder, error) {
	under := &recorded{file: w}
	e := &flacEncoder{w: &seekBuffer{bufio.NewWriterSize(under, bufferBytes), under}, out: out, bits: out.sampleBytes() * 8}
	info := &meta.StreamInfo{
		BlockSizeMin: flacBlock, BlockSizeMax: flacBlock,
		SampleRate: uint32(out.SampleRateHz), NChannels: uint8(out.Channels), BitsPerSample: uint8(e.bits),
	}
	var err error
	if e.encoder, err = flac.NewEncoder(e.w, info, commentBlocks(tags)...); err != nil {
		return nil, under.cause(err)
	}
	for range out.Channels {
		e.held = append(e.held, make([]int32, flacBlock))
	}
	return e, nil
}

func (e *flacEncoder) write(samples []float32) error {
	for len(samples) > 0 {
		n := min(len(samples)/e.out.Channels, flacBlock-e.filled)
		for c, held := range e.held {
			for i := range n {
				held[e.filled+i] = quantise(samples[i*e.out.Channels+c], e.bits)
			}
		}
		samples = samples[n*e.out.Channels:]
		if e.filled += n; e.filled == flacBlock {
			if err := e.block(); err != nil {
				return err
			}
		}
	}
	return nil
}

// block writes the collected samples.
func (e *flacEncoder) block() error {
	f := &frame.Frame{Header: frame.Header{
		HasFixedBlockSize: true, BlockSize: uint16(e.filled),
		Channels: frame.Channels(e.out.Channels - 1), BitsPerSample: uint8(e.bits),
		SampleRate: frameRate(e.out.SampleRateHz),
	}}
	if e.out.Channels == 2 && midSideIsSmaller(e.held[0][:e.filled], e.held[1][:e.filled]) {
		f.Channels = frame.ChannelsMidSide
	}
	for _, held := range e.held {
		f.Subframes = append(f.Subframes, &frame.Subframe{
			SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, // to be analysed
			Samples:   held[:e.filled], NSamples: e.filled,
		})
	}
	e.filled = 0
	return e.w.under.cause(e.encoder.WriteFrame(f))
}

// frameRate returns the rate in a block's header, which can encode only some rates; 0
// refers to the file's header.
func frameRate(hz int) uint32 {
	if hz%1000 == 0 || hz <= 65535 || hz%10 == 0 {
		return uint32(hz)
	}
	return 0
}

// midSideIsSmaller estimates from the differences between samples, which approximate
// the residual, whether coding the sum and difference of two channels is shorter than
// coding the channels.
func midSideIsSmaller(left, right []int32) bool {
	var plain, coded int64
	for i := 1; i < len(left); i++ {
		l, r := int64(left[i])-int64(left[i-1]), int64(right[i])-int64(right[i-1])
		plain += abs(l) + abs(r)
		coded += abs(l+r)/2 + abs(l-r)
	}
	return coded < plain
}

func abs(x int64) int64 { return max(x, -x) }

func (*flacEncoder) stop() {}

func (e *flacEncoder) close() error {
	if e.filled > 0 {
		if err := e.block(); err != nil {
			return err
		}
	}
	if err := e.encoder.Close(); err != nil {
		return e.w.under.cause(err)
	}
	// The library counts the last block, which may be shorter than the minimum in the
	// header; the reference encoder does not.
	if _, err := e.w.Seek(int64(len("fLaC")+4), io.SeekStart); err != nil {
		return err
	}
	if _, err := e.w.Write([]byte{flacBlock >> 8, flacBlock & 0xff, flacBlock >> 8, flacBlock & 0xff}); err != nil {
		return err
	}
	if _, err := e.w.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	return nil
}
