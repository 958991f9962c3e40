package xiph

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero/api"
)

const (
	// OpusRateHz is the rate at which Opus is decoded, whatever the original rate.
	OpusRateHz = 48000
	// MaxOpusPacket is the maximum number of samples per channel of a packet: 120 ms.
	MaxOpusPacket = 5760
	// MaxOpusPacketBytes is the maximum size of a packet: 48 frames of 1275 bytes and
	// their lengths, for each of several streams.
	MaxOpusPacketBytes = 64 << 10
)

// Names of the module's functions.
const (
	opusPrepare = "h"
	opusCreate  = "i"
	opusMalloc  = "j"
	opusDecode  = "k"
)

var opusProgram = load("opus.wasm", []imported{
	function("a", math.Cos),
	{"b", []api.ValueType{i32}, nil, aborts}, // proc_exit
	{"c", nil, nil, ignore},                  // runtime_keepalive_clear
	{"d", nil, nil, aborts},
	{"e", []api.ValueType{i32, f64}, []api.ValueType{i32}, zero}, // setitimer
	{"f", []api.ValueType{i32}, []api.ValueType{i32}, zero},      // resize_heap
})

// OpusLayout is the layout of the channels of a stream, RFC 7845 section 5.1.1.
type OpusLayout struct {
	// Streams and Coupled are the numbers of streams in a packet, and of those with two
	// channels.
	Streams, Coupled int
	// Mapping has the index of the decoded channel for each channel of the output.
	Mapping []byte
}

// Opus decodes the packets of one stream, one at a time. It can be closed at any time.
type Opus struct {
	*instance
	channels      int
	state         uint32
	input, output uint32
}

// NewOpus returns a decoder at 48 kHz. Its error is ErrNoDecoder or one of the runtime.
func NewOpus(layout OpusLayout) (*Opus, error) {
	p, err := opusProgram()
	if err != nil {
		return nil, err
	}
	i, err := p.start(opusPrepare)
	if err != nil {
		return nil, err
	}
	d := &Opus{instance: i, channels: len(layout.Mapping)}
	if err := d.prepare(layout); err != nil {
		return nil, errors.Join(fmt.Errorf("libopus: %w", err), i.close())
	}
	return d, nil
}

func (d *Opus) prepare(layout OpusLayout) (err error) {
	if d.input, err = d.allocate(opusMalloc, MaxOpusPacketBytes); err != nil {
		return err
	}
	if d.output, err = d.allocate(opusMalloc, 4*MaxOpusPacket*d.channels); err != nil {
		return err
	}
	mapping, err := d.allocate(opusMalloc, d.channels)
	if err != nil {
		return err
	}
	d.module.Memory().Write(mapping, layout.Mapping)
	state, err := d.call(opusCreate, OpusRateHz, uint64(d.channels), uint64(layout.Streams), uint64(layout.Coupled), uint64(mapping), 0, 0)
	d.state = uint32(state)
	return err
}

// Decode decodes a packet to interleaved samples and returns the number per channel. dst
// must hold MaxOpusPacket of each channel.
func (d *Opus) Decode(packet []byte, dst []float32) (int, error) {
	if len(packet) > MaxOpusPacketBytes {
		return 0, fmt.Errorf("libopus: a packet of %d bytes", len(packet))
	}
	end, err := d.begin()
	if err != nil {
		return 0, fmt.Errorf("libopus: %w", err)
	}
	defer end()
	d.module.Memory().Write(d.input, packet)
	result, err := d.call(opusDecode, uint64(d.state), uint64(d.input), uint64(len(packet)), uint64(d.output))
	if err != nil {
		return 0, fmt.Errorf("libopus: %w", err)
	}
	frames := int(int32(result))
	if frames < 0 {
		return 0, fmt.Errorf("libopus: error %d", frames)
	}
	if frames > MaxOpusPacket {
		return 0, fmt.Errorf("libopus: %d samples", frames)
	}
	for c := range d.channels {
		raw, _ := d.module.Memory().Read(d.output+uint32(4*c*frames), uint32(4*frames))
		interleave(dst[c:], raw, d.channels)
	}
	return frames, nil
}

// Close releases the decoder. Closing twice does nothing.
func (d *Opus) Close() error { return d.close() }

// interleave writes the samples of one channel to every n-th place.
func interleave(dst []float32, raw []byte, n int) {
	for i := 0; i+4 <= len(raw); i += 4 {
		dst[i/4*n] = math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))
	}
}
