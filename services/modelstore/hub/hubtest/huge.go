package hubtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// Huge is a content that is not held in memory: one block of random bytes, repeated.
type Huge struct {
	block []byte
	size  int64
	sum   string
}

// NewHuge returns a content of the given size.
func NewHuge(size int64) Huge {
	h := Huge{block: make([]byte, 1<<20), size: size}
	source := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any bytes will do
	for i := range h.block {
		h.block[i] = byte(source.Uint32())
	}
	sum := sha256.New()
	if err := h.write(sum, 0, size); err != nil {
		panic(err) // a hash takes everything
	}
	h.sum = hex.EncodeToString(sum.Sum(nil))
	return h
}

// write writes the bytes from one offset to another.
func (h Huge) write(to io.Writer, from, end int64) error {
	for from < end {
		part := h.block[from%int64(len(h.block)):]
		n, err := to.Write(part[:min(int64(len(part)), end-from)])
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// sendHuge answers with a content from the offset of the request, with the cuts that are
// left.
func (h *Hub) sendHuge(w http.ResponseWriter, r *http.Request, file string, content Huge) {
	from, status := int64(0), http.StatusOK
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		first, _, _ := strings.Cut(spec, "-")
		from, _ = strconv.ParseInt(first, 10, 64)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, content.size-1, content.size))
		status = http.StatusPartialContent
	}
	end := content.size
	w.Header().Set("Content-Length", strconv.FormatInt(end-from, 10))
	w.WriteHeader(status)
	if h.Cut > 0 {
		h.Cut--
		end = from + (end-from)/2
	}
	if err := content.write(w, from, end); err != nil {
		return // the client has gone
	}
	h.sent[file] += end - from
	if end < content.size {
		panic(http.ErrAbortHandler)
	}
}
