package natsstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// pieceID is the message id of a piece, which the stream stores with it: it identifies
// the object and the position in it.
func pieceID(object string, index int) string { return object + strconv.Itoa(index) }

// Object implements records.Store.
func (s *Store) Object(ctx context.Context, name string) (records.Object, error) {
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	var info *described
	err = s.patiently(ctx, func() (err error) {
		info, err = l.describe(ctx, name)
		return err
	})
	if errors.Is(err, records.ErrMissing) {
		return nil, err
	}
	if err != nil {
		return nil, s.fault(l, err)
	}
	return s.content(ctx, info.ObjectInfo), nil
}

// content returns a reader of an object's bytes.
func (s *Store) content(ctx context.Context, info *jetstream.ObjectInfo) *object {
	o := &object{ctx: ctx, store: s, info: info, chunk: pieceBytes, index: -1, digest: sha256.New()}
	if info.Opts != nil && info.Opts.ChunkSize > 0 {
		o.chunk = int64(info.Opts.ChunkSize)
	}
	return o
}

// object reads an object piece by piece, each by its own request: a consumer would be
// lost with its node. Not safe for concurrent use.
type object struct {
	ctx   context.Context //nolint:containedctx // io.Reader cannot be given one
	store *Store
	info  *jetstream.ObjectInfo
	// chunk is the size of every piece but the last.
	chunk int64
	at    int64
	// piece is the piece fetched last, number index (-1 for none), from place in the
	// stream.
	piece []byte
	index int
	place uint64
	// first is the place of piece 0; zero if unknown.
	first uint64
	// digest of the first hashed bytes, which were read in order from the start.
	digest hash.Hash
	hashed int64
}

// Size implements records.Object.
func (o *object) Size() int64 { return int64(o.info.Size) }

// Seek implements io.Seeker. It fetches nothing.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.Size()
	}
	if offset < 0 {
		return o.at, fmt.Errorf("seek in object %s: %d lies before its start", o.info.Name, offset)
	}
	o.at = offset
	return o.at, nil
}

// Read implements io.Reader. At the end of a complete read the error is io.EOF only if
// the digest matches.
func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.Size() {
		if o.hashed == o.Size() && jetstream.GetObjectDigestValue(o.digest) != o.info.Digest {
			return 0, o.damaged(nil)
		}
		return 0, io.EOF
	}
	rest, err := o.rest()
	if err != nil {
		return 0, err
	}
	n := copy(p, rest)
	o.at += int64(n)
	return n, nil
}

// rest returns the bytes of the current piece from the reading position on.
func (o *object) rest() ([]byte, error) {
	if index := int(o.at / o.chunk); index != o.index {
		if err := o.fetch(index); err != nil {
			return nil, err
		}
	}
	return o.piece[o.at-int64(o.index)*o.chunk:], nil
}

var errDamaged = errors.New("its bytes are not those that were stored")

func (o *object) damaged(err error) error {
	return services.Internal(errors.Join(errDamaged, err), "object %s is damaged", o.info.Name)
}

// fetch reads a piece. It waits for a store that is being reopened, which keeps the
// places of the pieces.
func (o *object) fetch(index int) error {
	until := time.Now().Add(totalTimeout)
	for {
		l, err := o.store.current()
		if err == nil {
			if err = o.find(l, index); err == nil || errors.Is(err, errDamaged) || o.ctx.Err() != nil {
				return err
			}
			err = o.store.fault(l, err)
		}
		if services.KindOf(err) != services.KindUnavailable || time.Now().After(until) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-o.ctx.Done():
			return context.Cause(o.ctx)
		}
	}
}

// find searches a piece, starting where it is if nothing was written between the
// object's pieces. Pieces of other objects only move it further back, so each piece
// found on the way yields a better lower bound.
func (o *object) find(l *link, index int) error {
	from := uint64(1) // the object's first piece
	switch {
	case o.index >= 0 && o.index < index:
		from = o.place + uint64(index-o.index)
	case o.first > 0:
		from = o.first + uint64(index)
	}
	for {
		message, err := o.message(l, from)
		if err != nil {
			return err
		}
		found, err := strconv.Atoi(strings.TrimPrefix(message.Header.Get(nats.MsgIdHdr), o.info.NUID))
		if err != nil || found > index {
			return o.damaged(err)
		}
		if found == 0 {
			o.first = message.Sequence
		}
		if found == index {
			return o.take(message, found)
		}
		from = message.Sequence + uint64(index-found)
	}
}

// message reads the object's first piece at or after a place in the stream.
func (o *object) message(l *link, from uint64) (message *jetstream.RawStreamMsg, err error) {
	err = o.store.patiently(o.ctx, func() error {
		return l.reading(o.ctx, func(ctx context.Context) (err error) {
			message, err = l.pieces.GetMsg(ctx, from, jetstream.WithGetMsgSubject(l.pieceSubject(o.info.NUID)))
			return err
		})
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, o.damaged(err)
	}
	return message, err
}

// take makes a found piece the current one.
func (o *object) take(message *jetstream.RawStreamMsg, index int) error {
	begin := int64(index) * o.chunk
	if int64(len(message.Data)) != min(o.chunk, o.Size()-begin) {
		return o.damaged(fmt.Errorf("piece %d has %d bytes", index, len(message.Data)))
	}
	o.piece, o.index, o.place = message.Data, index, message.Sequence
	if o.hashed == begin {
		o.digest.Write(o.piece)
		o.hashed += int64(len(o.piece))
	}
	return nil
}

// WriteTo implements io.WriterTo, which avoids a copy of every piece.
func (o *object) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if _, err := o.Read(nil); errors.Is(err, io.EOF) {
			return written, nil
		} else if err != nil {
			return written, err
		}
		rest, err := o.rest()
		if err != nil {
			return written, err
		}
		n, err := io.Copy(w, bytes.NewReader(rest))
		written += n
		o.at += n
		if err != nil {
			return written, err
		}
	}
}

// Close implements io.Closer.
func (o *object) Close() error { return nil }

var (
	_ records.Object = (*object)(nil)
	_ io.WriterTo    = (*object)(nil)
)
