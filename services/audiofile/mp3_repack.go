package audiofile

import "encoding/binary"

// mp3Repacker makes every frame stand for itself: the main data that it takes
// from the frames before it is put into it, in a frame that is large enough.
//
// The library computes the size of a padded frame of 22.05 kHz a byte too
// small where it is odd without the padding, and from then on looks for main
// data in the wrong place. Frames without padding and without a look back are
// safe from that.
type mp3Repacker struct {
	// reservoir is the latest main data, as far as a frame can look back.
	reservoir []byte
	frame     []byte
}

// mp3LookBack is the most bytes that an MPEG 2 frame can look back.
const mp3LookBack = 255

// needsRepacking tells the files that the library gets wrong.
func needsRepacking(h mp3Header) bool { return h.version == 2 && h.rateHz == 22050 }

// repack gives the frame anew, valid until the next call. A frame that looks
// back further than there is data, and one that fits no frame, become silence.
func (r *mp3Repacker) repack(h mp3Header, frame []byte) []byte {
	at := mp3HeaderBytes
	if h.protected {
		at += 2 // a checksum
	}
	side, own := frame[at:at+h.sideBytes()], frame[at+h.sideBytes():]
	back := int(side[0])
	bits := 0
	for channel := range h.channels {
		// Behind the look back and the private bits stand 63 bits a channel, of
		// which the first twelve are the length of its main data.
		bits += readBits(side, 8+h.channels+63*channel, 12)
	}
	need := (bits + 7) / 8
	data := make([]byte, 0, back+len(own))
	known := back <= len(r.reservoir)
	if known {
		data = append(data, r.reservoir[len(r.reservoir)-back:]...)
		data = append(data, own...)
	}
	r.reservoir = append(r.reservoir, own...)
	if over := len(r.reservoir) - mp3LookBack; over > 0 {
		r.reservoir = append(r.reservoir[:0], r.reservoir[over:]...)
	}

	size, index := r.roomFor(mp3HeaderBytes + h.sideBytes() + need)
	silent := !known || need > len(data) || size == 0
	if silent {
		size, index = r.roomFor(mp3HeaderBytes + h.sideBytes())
	}
	header := binary.BigEndian.Uint32(frame)
	header |= 1 << 16             // no checksum
	header &^= 0xf<<12 | 1<<9     // no padding, and
	header |= uint32(index) << 12 //     this bit rate
	r.frame = binary.BigEndian.AppendUint32(r.frame[:0], header)
	if silent {
		r.frame = append(r.frame, make([]byte, size-mp3HeaderBytes)...)
		return r.frame
	}
	r.frame = append(r.frame, 0) // no look back
	r.frame = append(r.frame, side[1:]...)
	r.frame = append(r.frame, data[:need]...)
	return append(r.frame, make([]byte, size-len(r.frame))...)
}

// roomFor finds the smallest frame of so many bytes, and its bit rate's index;
// 0 where there is none.
func (r *mp3Repacker) roomFor(bytes int) (size, index int) {
	for index, kbits := range mp3Bitrates[1] {
		if size := 72 * kbits * 1000 / 22050; kbits > 0 && size >= bytes {
			return size, index
		}
	}
	return 0, 0
}

// readBits reads a number of n bits at a place counted in bits.
func readBits(raw []byte, at, n int) int {
	value := 0
	for i := at; i < at+n; i++ {
		value = value<<1 | int(raw[i/8]>>(7-i%8)&1)
	}
	return value
}
