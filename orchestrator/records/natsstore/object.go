package natsstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// pieceBytes is the size of an object's pieces, one per message. A server accepts 1 MiB
// by default.
const pieceBytes = 256 << 10

// Stage implements records.Store. The layout is that of NATS's object store, whose
// client is not used for the bytes: it sends a whole object at once, held in memory and
// under one deadline, and fails when the cluster's leader is lost. Here each piece is
// written, with retries, before the next is read.
func (s *Store) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	ctx, release := l.bind(ctx)
	defer release()
	info := &jetstream.ObjectInfo{
		Bucket: l.bucket, NUID: rand.Text(),
		ObjectMeta: jetstream.ObjectMeta{Opts: &jetstream.ObjectMetaOptions{ChunkSize: pieceBytes}},
	}
	staged := &staged{store: s, info: info, written: s.left.writes(info.NUID)}
	read, err := l.putPieces(ctx, info, r)
	switch {
	case read != nil:
		return nil, errors.Join(read, staged.Discard(ctx))
	case err != nil:
		// The fault comes first: it may reopen the store, which discarding needs.
		err = s.fault(l, err)
		return nil, errors.Join(err, staged.Discard(ctx))
	}
	return staged, nil
}

// staged implements records.Staged. Safe for use by one goroutine.
type staged struct {
	store *Store
	info  *jetstream.ObjectInfo
	// written ends the protection of the pieces against Tidy.
	written func()
	settled bool
}

// Size implements records.Staged.
func (o *staged) Size() int64 { return int64(o.info.Size) }

// Open implements records.Staged.
func (o *staged) Open(ctx context.Context) records.Object { return o.store.content(ctx, o.info) }

// Commit implements records.Staged.
func (o *staged) Commit(ctx context.Context, name string) error {
	s := o.store
	l, err := s.current()
	if err != nil {
		return err
	}
	ctx, release := l.bind(ctx)
	defer release()
	before, err := l.describe(ctx, name)
	if err != nil && !errors.Is(err, records.ErrMissing) {
		return s.fault(l, err)
	}
	o.info.Name = name
	if err := l.putMeta(ctx, o.info); err != nil {
		return s.fault(l, err)
	}
	o.settled = true
	o.written()
	if before != nil && before.NUID != o.info.NUID {
		// Nothing refers to the replaced pieces any more. If this fails, a store in
		// this process removes them when it is opened next; in a cluster they remain.
		if err := s.purgePieces(ctx, l, before.NUID, before.Size); err != nil {
			s.log.Warn("the pieces of an object that was replaced are left", "object", name, "error", err)
		}
	}
	return nil
}

// Discard implements records.Staged.
func (o *staged) Discard(ctx context.Context) error {
	if o.settled {
		return nil
	}
	o.settled = true
	defer o.written()
	l, err := o.store.current()
	if err != nil {
		return nil //nolint:nilerr // the store is reopened, and tidied then
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTimeout)
	defer cancel()
	if err := o.store.purgePieces(bounded, l, o.info.NUID, o.info.Size); err != nil {
		o.store.log.Warn("the pieces of an object that was given up are left", "error", err)
	}
	return nil
}

// described is an object's description at its place in the stream.
type described struct {
	*jetstream.ObjectInfo
	at uint64
}

func describedBy(message *jetstream.RawStreamMsg) (*described, error) {
	d := &described{ObjectInfo: &jetstream.ObjectInfo{}, at: message.Sequence}
	if err := json.Unmarshal(message.Data, d.ObjectInfo); err != nil {
		return nil, fmt.Errorf("the description of an object at %d cannot be read: %w", d.at, err)
	}
	return d, nil
}

// describe returns an object's description, or records.ErrMissing.
func (l *link) describe(ctx context.Context, name string) (*described, error) {
	var message *jetstream.RawStreamMsg
	err := l.reading(ctx, func(ctx context.Context) (err error) {
		message, err = l.pieces.GetLastMsgForSubject(ctx, l.nameSubject(name))
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("object %s %w", name, records.ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	d, err := describedBy(message)
	if err == nil && d.Deleted {
		return nil, fmt.Errorf("object %s %w", name, records.ErrMissing)
	}
	return d, err
}

// nameSubject returns the subject of an object's description.
func (l *link) nameSubject(name string) string {
	return "$O." + l.bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// nameSubjects returns the subject of all objects' descriptions.
func (l *link) nameSubjects() string { return "$O." + l.bucket + ".M.*" }

// pieceSubject returns the subject of an object's pieces, by its id.
func (l *link) pieceSubject(id string) string { return "$O." + l.bucket + ".C." + id }

// putPieces writes the bytes and sets their number and digest in info; read is the
// error of the reader.
func (l *link) putPieces(ctx context.Context, info *jetstream.ObjectInfo, r io.Reader) (read, err error) {
	digest, piece := sha256.New(), make([]byte, pieceBytes)
	for last := false; !last; {
		n, err := fill(r, piece)
		if last = errors.Is(err, io.EOF); last && n == 0 {
			break
		}
		if err != nil && !last {
			return fmt.Errorf("read what is to be stored: %w", err), nil
		}
		digest.Write(piece[:n])
		if err := l.publish(ctx, &nats.Msg{Subject: l.pieceSubject(info.NUID), Data: piece[:n]},
			pieceID(info.NUID, int(info.Chunks))); err != nil {
			return nil, err
		}
		info.Size += uint64(n)
		info.Chunks++
	}
	info.Digest = jetstream.GetObjectDigestValue(digest)
	return nil, nil
}

// fill reads until p is full. The error is io.EOF at the end of the reader; any other
// is the reader's own. io.ReadFull does not distinguish a reader that ends within p
// from one that returns io.ErrUnexpectedEOF, as an interrupted body does.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

// putMeta writes the description of an object.
func (l *link) putMeta(ctx context.Context, info *jetstream.ObjectInfo) error {
	raw, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("encode the description of an object: %w", err)
	}
	return l.publish(ctx, &nats.Msg{
		Subject: l.nameSubject(info.Name), Data: raw,
		Header: nats.Header{jetstream.MsgRollup: []string{jetstream.MsgRollupSubject}},
	}, info.NUID+"meta")
}

// publish writes one message. Its id prevents a retry after a lost answer from writing
// it twice.
func (l *link) publish(ctx context.Context, message *nats.Msg, id string) error {
	return l.retryWrite(ctx, func(ctx context.Context) error {
		_, err := l.js.PublishMsg(ctx, message, jetstream.WithMsgID(id))
		return err
	})
}

// DeleteObject implements records.Store. The description is deleted last, so that an
// interrupted deletion can be repeated, and only in the revision found, since another
// process may be storing the object again.
func (s *Store) DeleteObject(ctx context.Context, name string) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	info, err := l.describe(ctx, name)
	if errors.Is(err, records.ErrMissing) {
		return nil
	}
	if err == nil && info.Size > largeObject && s.Exclusive() {
		// Pieces without a description are removed at the latest when the store is
		// opened next.
		if err = l.purge(ctx, l.pieces, upTo(l.nameSubject(name), info.at)...); err == nil {
			s.remover.add(info.NUID)
		}
		return s.fault(l, err)
	}
	if err == nil {
		err = l.purge(ctx, l.pieces, jetstream.WithPurgeSubject(l.pieceSubject(info.NUID)))
	}
	if err == nil {
		err = l.purge(ctx, l.pieces, upTo(l.nameSubject(name), info.at)...)
	}
	return s.fault(l, err)
}

// Objects implements records.Store. The names are taken from the subjects: the object
// store's own list blocks forever if an object is deleted during it.
func (s *Store) Objects(ctx context.Context) ([]string, error) {
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	subjects, err := l.subjects(ctx, l.nameSubjects())
	if err != nil {
		return nil, s.fault(l, err)
	}
	names := make([]string, 0, len(subjects))
	for _, encoded := range subjects {
		name, err := base64.URLEncoding.DecodeString(encoded)
		if err != nil {
			s.log.Warn("an object that is not ours lies in the bucket", "bucket", l.bucket, "name", encoded)
			continue
		}
		names = append(names, string(name))
	}
	return names, nil
}
