package e2e

import (
	"encoding/binary"
	"math"
)

// contained returns the 16-bit samples of a WAV file of one channel at 16 kHz in another
// container.
func contained(speech []byte, kind string) []byte {
	const rate = 16000
	sound := speech[44:]
	be := binary.BigEndian
	size, frames := uint32(len(sound)), uint32(len(sound)/2) //nolint:gosec // short recordings
	big := make([]byte, len(sound))
	for i := 0; i+1 < len(sound); i += 2 {
		big[i], big[i+1] = sound[i+1], sound[i]
	}
	switch kind {
	case "aiff": // AIFF-C with the samples in the order of WAV, as macOS writes it
		common := be.AppendUint32([]byte{0, 1}, frames)
		common = append(common, 0, 16, 0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0, 's', 'o', 'w', 't', 0, 0)
		file := be.AppendUint32([]byte("FORM"), 4+8+24+16+size)
		file = append(append(file, "AIFCCOMM\x00\x00\x00\x18"...), common...)
		file = be.AppendUint32(append(file, "SSND"...), 8+size)
		return append(append(file, make([]byte, 8)...), sound...)
	case "au": // from a pipe
		return append([]byte(".snd\x00\x00\x00\x18\xff\xff\xff\xff\x00\x00\x00\x03\x00\x00\x3e\x80\x00\x00\x00\x01"), big...)
	case "caf":
		file := be.AppendUint64([]byte("caff\x00\x01\x00\x00desc\x00\x00\x00\x00\x00\x00\x00\x20"), math.Float64bits(rate))
		file = append(file, "lpcm\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x10data"...)
		return append(append(be.AppendUint64(file, uint64(size)+4), 0, 0, 0, 0), sound...)
	default: // Wave64
		const tail = "\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
		le := binary.LittleEndian
		file := le.AppendUint64([]byte("riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"), 40+40+24+uint64(size))
		file = le.AppendUint64(append(file, "wave"+tail+"fmt "+tail...), 24+16)
		file = append(file, speech[20:36]...)
		file = le.AppendUint64(append(file, "data"+tail...), 24+uint64(size))
		return append(file, sound...)
	}
}
