package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// readTracks returns the first audio track.
func (p *webmPackets) readTracks(size int64) error {
	limited := &io.LimitedReader{R: p.src, N: min(size, 16*maxTrackBytes)}
	var other string
	for limited.N > 0 {
		id, size, err := readElement(limited)
		if err != nil {
			return unexpected(err)
		}
		if id != idTrackEntry {
			if err := discard(limited, size); err != nil {
				return err
			}
			continue
		}
		if size > maxTrackBytes {
			return fmt.Errorf("a track's description of %d bytes", size)
		}
		raw, err := io.ReadAll(io.LimitReader(limited, size))
		if err != nil || int64(len(raw)) < size {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		track, codec, err := parseTrack(raw)
		if err != nil {
			return err
		}
		if track != nil && p.track == nil {
			p.track = track
		} else if codec != "" && other == "" {
			other = codec
		}
	}
	switch {
	case p.track != nil:
		return nil
	case other != "":
		return unsupported("is a WebM or Matroska file with sound coded as %q", other)
	default:
		return unsupported("is a WebM or Matroska file without a track of sound")
	}
}

// parseTrack parses the description of a track. It returns the track if its codec is
// decoded natively, otherwise the codec if it is audio.
func parseTrack(raw []byte) (*webmTrack, string, error) {
	var track webmTrack
	var kind uint64
	var codec string
	var private []byte
	encoded := false
	wave := waveFormat{channels: 1, sampleRateHz: 8000} // as RFC 9559 has it
	for len(raw) > 0 {
		id, n := elementID(raw)
		size, m := vint(raw[n:])
		if n == 0 || m == 0 || size > uint64(len(raw)-n-m) {
			return nil, "", errors.New("a track's description that breaks off")
		}
		body := raw[n+m : n+m+int(size)]
		raw = raw[n+m+int(size):]
		switch id {
		case idTrackNumber:
			track.number = unsigned(body)
		case idTrackType:
			kind = unsigned(body)
		case idCodecID:
			codec = string(body[:min(len(body), 64)])
		case idCodecPrivate:
			private = body
		case idAudio:
			parseTrackAudio(body, &wave)
		case idContentEncoding:
			encoded = true
		}
	}
	switch {
	case kind != matroskaAudio:
		return nil, "", nil
	case encoded:
		return nil, codec, nil
	}
	var err error
	switch codec {
	case "A_OPUS":
		track.head, err = parseOpusHead(private)
	case "A_VORBIS":
		track.head, err = parsePrivateVorbis(private)
	case "A_FLAC":
		const before = 8 // the mark, a block's type and size
		track.head, err = parseFLACInfo(private[min(before, len(private)):])
	case "A_ALAC":
		track.head, err = parseALACConfig(private)
	default:
		if track.head = matroskaPCM(codec, wave); track.head == nil {
			return nil, codec, nil
		}
	}
	return &track, codec, err
}

// parseTrackAudio parses the rate, the channels and the bits of a track.
func parseTrackAudio(raw []byte, wave *waveFormat) {
	for len(raw) > 0 {
		id, n := elementID(raw)
		size, m := vint(raw[n:])
		if n == 0 || m == 0 || size > uint64(len(raw)-n-m) {
			return
		}
		body := raw[n+m : n+m+int(size)]
		raw = raw[n+m+int(size):]
		switch id {
		case idSamplingRate:
			rate := 0.0
			switch len(body) {
			case 4:
				rate = float64(math.Float32frombits(binary.BigEndian.Uint32(body)))
			case 8:
				rate = math.Float64frombits(binary.BigEndian.Uint64(body))
			}
			wave.sampleRateHz = 0
			if rate >= 1 && rate <= math.MaxInt32 {
				wave.sampleRateHz = int(math.Round(rate))
			}
		case idChannels:
			wave.channels = int(min(unsigned(body), math.MaxUint16))
		case idBitDepth:
			wave.bits = int(min(unsigned(body), math.MaxUint16))
		}
	}
}

// matroskaPCM describes a track of PCM, or returns nil if it is not decoded.
func matroskaPCM(codec string, wave waveFormat) *streamHead {
	var ok bool
	switch codec {
	case "A_PCM/INT/LIT":
		wave.codec, ok = linearCodec(wave.bits, false, true)
		if wave.bits == 8 {
			wave.codec = integerCodecs[0]
		}
	case "A_PCM/INT/BIG":
		wave.codec, ok = linearCodec(wave.bits, false, false)
	case "A_PCM/FLOAT/IEEE":
		wave.codec, ok = linearCodec(wave.bits, true, true)
	}
	if !ok || wave.channels < 1 || wave.sampleRateHz < 1 {
		return nil
	}
	return pcmHead(pcmFormat(wave.codec, wave.bits, wave.channels, wave.sampleRateHz))
}

// parsePrivateVorbis parses the three headers, which are laced.
func parsePrivateVorbis(private []byte) (*streamHead, error) {
	headers, err := unlace(private, 1)
	if err != nil || len(headers) != 3 {
		return nil, services.Invalidf(field, "has a damaged Vorbis header")
	}
	return parseVorbisHead(headers[0], headers[2])
}

// unsigned decodes a big-endian number. Bytes beyond eight are ignored.
func unsigned(raw []byte) uint64 {
	var padded [8]byte
	n := min(len(raw), 8)
	copy(padded[8-n:], raw[:n])
	return binary.BigEndian.Uint64(padded[:])
}
