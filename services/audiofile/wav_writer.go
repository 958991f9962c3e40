package audiofile

import (
	"encoding/binary"
	"math"
)

// channelMasks are the loudspeakers of the channels of an extensible WAV file, by their
// number, in the order of FLAC.
var channelMasks = [...]uint32{0, 0x4, 0x3, 0x7, 0x33, 0x37, 0x3f, 0x70f, 0x63f}

// wavHeader returns everything before the samples, which are followed by behind bytes.
// The plain layout is used where possible for compatibility. More than two channels or
// more than 16 bits require the extensible one, and formats other than PCM a fact
// chunk.
func (o Output) wavHeader(dataBytes, behind int64) []byte {
	tag := uint16(tagPCM)
	if o.Depth == DepthFloat {
		tag = tagFloat
	}
	bits := o.sampleBytes() * 8
	frameBytes := o.sampleBytes() * o.Channels
	extensible := o.Channels > 2 || (tag == tagPCM && bits > 16)

	le := binary.LittleEndian
	shown := tag
	if extensible {
		shown = tagExtensible
	}
	format := le.AppendUint16(nil, shown)
	format = le.AppendUint16(format, uint16(o.Channels))
	format = le.AppendUint32(format, uint32(o.SampleRateHz))
	format = le.AppendUint32(format, uint32(o.SampleRateHz*frameBytes))
	format = le.AppendUint16(format, uint16(frameBytes))
	format = le.AppendUint16(format, uint16(bits))
	if extensible {
		format = le.AppendUint16(format, extensibleBytes-formatBytes-2)
		format = le.AppendUint16(format, uint16(bits))
		format = le.AppendUint32(format, channelMasks[o.Channels])
		format = le.AppendUint16(format, tag)
		format = append(format, subformatTail...)
	} else if tag != tagPCM {
		format = le.AppendUint16(format, 0) // no extension
	}

	var chunks []byte
	add := func(id string, size int64, body []byte) {
		chunks = append(chunks, id...)
		chunks = le.AppendUint32(chunks, uint32(size))
		chunks = append(chunks, body...)
	}
	add("fmt ", int64(len(format)), format)
	if tag != tagPCM {
		add("fact", 4, le.AppendUint32(nil, uint32(dataBytes/int64(frameBytes))))
	}
	add("data", dataBytes, nil)

	padding := dataBytes % 2
	header := append([]byte("RIFF"), 0, 0, 0, 0)
	// The samples fit; with what follows them the file may still be too large for the field.
	size := min(int64(len("WAVE")+len(chunks))+dataBytes+padding+behind, math.MaxUint32)
	le.PutUint32(header[4:], uint32(size))
	header = append(header, "WAVE"...)
	return append(header, chunks...)
}
