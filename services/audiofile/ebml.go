package audiofile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

var errLacing = errors.New("a block whose lacing does not fit it")

// elementID reads the id of an EBML element, RFC 8794, with its length marker, as ids
// are usually written. n is its length, or 0 if it is invalid.
func elementID(raw []byte) (id uint64, n int) {
	_, n = vint(raw)
	if n > 4 {
		return 0, 0
	}
	for _, b := range raw[:n] {
		id = id<<8 | uint64(b)
	}
	return id, n
}

// vint reads a number of variable length. n is its length, or 0 if it is invalid. A
// number with all bits set is returned as unknownSize.
func vint(raw []byte) (value uint64, n int) {
	if len(raw) == 0 || raw[0] == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(raw[0]) + 1
	if len(raw) < n {
		return 0, 0
	}
	value = uint64(raw[0]) & (1<<(8-n) - 1)
	for _, b := range raw[1:n] {
		value = value<<8 | uint64(b)
	}
	if value == 1<<(7*n)-1 {
		return unknownSize, n
	}
	return value, n
}

// readElement reads the id and the size of an element. It returns io.EOF if the file
// ends before it.
func readElement(r io.Reader) (id uint64, size int64, err error) {
	var raw [8]byte
	n, err := readVint(r, raw[:])
	if err != nil {
		return 0, 0, err
	}
	if id, n = elementID(raw[:n]); n == 0 {
		return 0, 0, errors.New("an element without an id")
	}
	if n, err = readVint(r, raw[:]); err != nil {
		return 0, 0, unexpected(err)
	}
	value, _ := vint(raw[:n])
	return id, int64(min(value, math.MaxInt64)), nil
}

// readVint reads the bytes of one number into raw.
func readVint(r io.Reader, raw []byte) (int, error) {
	if _, err := io.ReadFull(r, raw[:1]); err != nil {
		return 0, err
	}
	if raw[0] == 0 {
		return 0, errors.New("a number of more than eight bytes")
	}
	n := bits.LeadingZeros8(raw[0]) + 1
	if _, err := io.ReadFull(r, raw[1:n]); err != nil {
		return 0, unexpected(err)
	}
	return n, nil
}

// discard skips an element.
func discard(r io.Reader, size int64) error {
	if size == unknownSize {
		return errors.New("an element of unknown size")
	}
	if n, err := io.CopyN(io.Discard, r, size); err != nil {
		return fmt.Errorf("%w: %d of %d bytes", unexpected(err), n, size)
	}
	return nil
}

// unlace splits a block into its packets according to the lacing in its flags.
func unlace(body []byte, lacing byte) ([][]byte, error) {
	if lacing == 0 {
		return [][]byte{body}, nil
	}
	if len(body) == 0 {
		return nil, errLacing
	}
	count := int(body[0]) + 1
	body = body[1:]
	sizes := make([]int, count)
	var err error
	switch lacing {
	case 1:
		body, err = xiphSizes(sizes, body)
	case 2:
		if len(body)%count != 0 {
			return nil, errLacing
		}
		for i := range sizes {
			sizes[i] = len(body) / count
		}
	default:
		body, err = ebmlSizes(sizes, body)
	}
	if err != nil {
		return nil, err
	}
	packets := make([][]byte, count)
	for i, size := range sizes {
		if size < 0 || size > len(body) {
			return nil, errLacing
		}
		packets[i], body = body[:size], body[size:]
	}
	return packets, nil
}

// xiphSizes reads sizes encoded as runs of 255. The last packet has the remaining
// bytes.
func xiphSizes(sizes []int, body []byte) ([]byte, error) {
	total, last := 0, len(sizes)-1
	for i := range last {
		for {
			if len(body) == 0 {
				return nil, errLacing
			}
			b := body[0]
			body = body[1:]
			sizes[i] += int(b)
			if b < 255 {
				break
			}
		}
		total += sizes[i]
	}
	sizes[last] = len(body) - total
	return body, nil
}

// ebmlSizes reads a first size and differences. The last packet has the remaining
// bytes.
func ebmlSizes(sizes []int, body []byte) ([]byte, error) {
	total, last := 0, len(sizes)-1
	for i := range last {
		value, n := vint(body)
		if n == 0 || value > maxBlockBytes<<8 {
			return nil, errLacing
		}
		body = body[n:]
		sizes[i] = int(value)
		if i > 0 { // the middle of the range represents zero
			sizes[i] += sizes[i-1] - (1<<(7*n-1) - 1)
		}
		if sizes[i] < 0 || sizes[i] > maxBlockBytes {
			return nil, errLacing
		}
		total += sizes[i]
	}
	sizes[last] = len(body) - total
	return body, nil
}
