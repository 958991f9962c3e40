package xiph

import (
	"errors"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero/api"
)

const (
	// MaxVorbisPacketBytes is the maximum size of a packet and of a header.
	MaxVorbisPacketBytes = 128 << 10
	// MaxVorbisPacket is the maximum number of samples per channel of a packet: half of
	// a long block.
	MaxVorbisPacket = 4096
)

// Names of the module's functions.
const (
	vorbisPrepare = "m"
	vorbisCreate  = "n"
	vorbisMalloc  = "o"
	vorbisHeader  = "p"
	vorbisBegin   = "q"
	vorbisDecode  = "r"
)

var vorbisProgram = load("vorbis.wasm", []imported{
	function("a", math.Cos),
	function("b", math.Atan),
	function("c", math.Sin),
	{"d", nil, nil, ignore}, // runtime_keepalive_clear
	{"e", nil, nil, aborts},
	{"f", []api.ValueType{i32, f64}, []api.ValueType{i32}, zero}, // setitimer
	{"g", []api.ValueType{f64, f64}, []api.ValueType{f64}, power},
	function("h", math.Log),
	function("i", math.Exp),
	{"j", []api.ValueType{i32}, nil, aborts},                // proc_exit
	{"k", []api.ValueType{i32}, []api.ValueType{i32}, zero}, // resize_heap
})

// maxVorbisErrors is the number of words for the errors of one call.
const maxVorbisErrors = 16

// Words of the memory that the module and this package share, as offsets.
const (
	vorbisInputLength = 4 * iota
	vorbisOutput
	vorbisChannels
	vorbisRate
	vorbisSamples
	vorbisErrorCount
	vorbisErrors
	vorbisWords = vorbisErrors + 4*maxVorbisErrors
)

// Vorbis decodes the packets of one stream, one at a time. It can be closed at any time.
type Vorbis struct {
	*instance
	channels     int
	state        uint32
	input, words uint32
}

// ErrHeaders means that libvorbis refuses the headers of a stream.
var ErrHeaders = errors.New("libvorbis: damaged headers")

// NewVorbis returns a decoder for a stream with the given first and third header. Its
// error is ErrNoDecoder, ErrHeaders, or one of the runtime.
func NewVorbis(identification, setup []byte, channels int) (*Vorbis, error) {
	p, err := vorbisProgram()
	if err != nil {
		return nil, err
	}
	i, err := p.start(vorbisPrepare)
	if err != nil {
		return nil, err
	}
	d := &Vorbis{instance: i, channels: channels}
	if err := d.prepare(identification, setup); err != nil {
		return nil, errors.Join(err, i.close())
	}
	return d, nil
}

func (d *Vorbis) prepare(identification, setup []byte) (err error) {
	if d.input, err = d.allocate(vorbisMalloc, MaxVorbisPacketBytes); err != nil {
		return err
	}
	if d.words, err = d.allocate(vorbisMalloc, vorbisWords); err != nil {
		return err
	}
	at := func(word uint32) uint64 { return uint64(d.words + word) }
	state, err := d.call(vorbisCreate, uint64(d.input), at(vorbisInputLength), at(vorbisOutput), at(vorbisChannels), at(vorbisRate),
		at(vorbisSamples), at(vorbisErrors), at(vorbisErrorCount), maxVorbisErrors)
	if err != nil {
		return err
	}
	d.state = uint32(state)
	for i, header := range [][]byte{identification, setup} {
		if err := d.run(vorbisHeader, header, uint64(1-i)); err != nil {
			return fmt.Errorf("%w: %w", ErrHeaders, err)
		}
	}
	if err := d.run(vorbisBegin, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrHeaders, err)
	}
	if n := d.word(vorbisChannels); n != uint32(d.channels) {
		return fmt.Errorf("%w: %d channels", ErrHeaders, n)
	}
	return nil
}

// run passes a packet to a function, and returns the error that it reports.
func (d *Vorbis) run(name string, packet []byte, arguments ...uint64) error {
	if len(packet) > MaxVorbisPacketBytes {
		return fmt.Errorf("a packet of %d bytes", len(packet))
	}
	memory := d.module.Memory()
	memory.Write(d.input, packet)
	memory.WriteUint32Le(d.words+vorbisInputLength, uint32(len(packet)))
	memory.WriteUint32Le(d.words+vorbisErrorCount, 0)
	if _, err := d.call(name, append([]uint64{uint64(d.state)}, arguments...)...); err != nil {
		return err
	}
	if n := d.word(vorbisErrorCount); n > 0 {
		return errors.New(d.text(d.word(vorbisErrors)) + ": " + d.text(d.word(vorbisErrors+4)))
	}
	return nil
}

// Decode decodes a packet to interleaved samples and returns the number per channel,
// which is 0 for the first packet. dst must hold MaxVorbisPacket of each channel.
func (d *Vorbis) Decode(packet []byte, dst []float32) (int, error) {
	end, err := d.begin()
	if err != nil {
		return 0, fmt.Errorf("libvorbis: %w", err)
	}
	defer end()
	if err := d.run(vorbisDecode, packet); err != nil {
		return 0, fmt.Errorf("libvorbis: %w", err)
	}
	frames := d.word(vorbisSamples)
	if frames > MaxVorbisPacket {
		return 0, fmt.Errorf("libvorbis: %d samples", frames)
	}
	memory := d.module.Memory()
	for c := range d.channels {
		channel, _ := memory.ReadUint32Le(d.word(vorbisOutput) + uint32(4*c))
		raw, ok := memory.Read(channel, 4*frames)
		if !ok {
			return 0, errors.New("libvorbis: samples outside of its memory")
		}
		interleave(dst[c:], raw, d.channels)
	}
	return int(frames), nil
}

// Close releases the decoder. Closing twice does nothing.
func (d *Vorbis) Close() error { return d.close() }

// word returns a shared word.
func (d *Vorbis) word(offset uint32) uint32 {
	value, _ := d.module.Memory().ReadUint32Le(d.words + offset)
	return value
}

// text returns a text of the module.
func (d *Vorbis) text(at uint32) string {
	var text []byte
	for ; len(text) < 200; at++ {
		b, _ := d.module.Memory().ReadByte(at)
		if b == 0 {
			break
		}
		text = append(text, b)
	}
	return string(text)
}
