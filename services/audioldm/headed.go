package audioldm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// source returns a sound as a file that can be decoded: samples without a header get one.
func (r *ranked) source(sound *services.Artifact, rateHz int) services.AudioSource {
	if audiofile.Container(r.plan.container) != audiofile.Raw {
		return sound
	}
	return headed{sound: sound, header: wavHeader(audiofile.Depth(r.plan.depth), rateHz, sound.Bytes)}
}

// wavHeader returns the header of a mono WAV file with the given number of bytes of samples.
func wavHeader(depth audiofile.Depth, rateHz int, size int64) []byte {
	format, width := uint16(1), uint16(2) // integers
	switch depth {
	case audiofile.Depth24:
		width = 3
	case audiofile.DepthFloat:
		format, width = 3, 4
	}
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer never fails
		}
	}
	const header = 44
	put([]byte("RIFF"), uint32(size+header-8), []byte("WAVEfmt "), uint32(16), format, uint16(1), uint32(rateHz), //nolint:gosec // in range
		uint32(rateHz)*uint32(width), width, 8*width, []byte("data"), uint32(size)) //nolint:gosec // a sound of the longest duration fits
	return b.Bytes()
}

// headed is a file of samples behind a header.
type headed struct {
	sound  *services.Artifact
	header []byte
}

// Size implements services.AudioSource.
func (h headed) Size() int64 { return int64(len(h.header)) + h.sound.Bytes }

// Open implements services.AudioSource.
func (h headed) Open() (io.ReadSeekCloser, error) {
	file, err := os.Open(h.sound.Path)
	if err != nil {
		return nil, err
	}
	return &headedFile{header: h.header, file: file, size: h.Size()}, nil
}

// headedFile is an open headed.
type headedFile struct {
	header   []byte
	file     *os.File
	at, size int64
}

// Read implements io.Reader.
func (f *headedFile) Read(p []byte) (int, error) {
	n, err := 0, error(nil)
	if f.at < int64(len(f.header)) {
		n = copy(p, f.header[f.at:])
	} else {
		n, err = f.file.ReadAt(p, f.at-int64(len(f.header)))
		if n > 0 {
			err = nil
		}
	}
	f.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (f *headedFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d: %w", offset, os.ErrInvalid)
	}
	f.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (f *headedFile) Close() error { return f.file.Close() }
