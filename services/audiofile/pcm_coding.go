package audiofile

import "fmt"

// maxPCMPacket is the maximum size of a packet of PCM.
const maxPCMPacket = 256 << 10

// pcmCoding implements coding for packets of PCM in MP4, Matroska and CAF.
type pcmCoding struct{ wave waveFormat }

// pcmHead describes a stream of PCM, whose order of channels is that of WAV.
func pcmHead(wave waveFormat) *streamHead {
	return &streamHead{
		codec: wave.codec.encoding, rate: wave.sampleRateHz, channels: wave.channels, bits: wave.bits, gain: 1,
		order: inOrder(wave.channels), coding: pcmCoding{wave},
	}
}

// counter implements coding.
func (c pcmCoding) counter() func([]byte) (int, bool) {
	return func(packet []byte) (int, bool) {
		n := len(packet) / c.wave.frameBytes
		return n, n > 0
	}
}

// limits implements coding.
func (c pcmCoding) limits() (int, int) { return maxPCMPacket, maxPCMPacket / c.wave.frameBytes }

// decoder implements coding.
func (c pcmCoding) decoder(int) (packetDecoder, error) { return c, nil }

// Close implements packetDecoder.
func (c pcmCoding) Close() error { return nil }

// Decode implements packetDecoder. It may change the packet.
func (c pcmCoding) Decode(packet []byte, dst []float32) (int, error) {
	n := len(packet) / c.wave.frameBytes
	if n*c.wave.channels > len(dst) {
		return 0, fmt.Errorf("a packet of %d frames", n)
	}
	if good := c.wave.codec.decode(dst, packet[:n*c.wave.frameBytes]); good < n*c.wave.channels {
		return 0, fmt.Errorf("a sample that is not a usable number in frame %d of its packet", good/c.wave.channels)
	}
	return n, nil
}
