package natsstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// pieceBytes is how much of an object one message holds. A server takes 1 MiB at
// the most unless it is told otherwise.
const pieceBytes = 256 << 10

// PutObject implements jobs.Store. The layout is that of NATS's object store,
// whose own client is not used for the bytes: it has all of an object under way
// at once, in memory and against one deadline, and gives up with the leader of a
// cluster. Here each piece is written before the next is read, and tried again.
func (s *Store) PutObject(ctx context.Context, name string, r io.Reader) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	ctx, release := l.bind(ctx)
	defer release()
	before, err := l.describe(ctx, name)
	if err != nil && !errors.Is(err, jobs.ErrMissing) {
		return s.fault(l, err)
	}
	info := &jetstream.ObjectInfo{Bucket: l.bucket, NUID: rand.Text(), ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: pieceBytes}}}
	defer s.left.writes(info.NUID)()
	read, err := l.putPieces(ctx, info, r)
	if read == nil && err == nil {
		err = l.putMeta(ctx, info)
	}
	if read != nil || err != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTimeout)
		defer cancel()
		purgeErr := l.pieces.Purge(bounded, jetstream.WithPurgeSubject(l.pieceSubject(info.NUID)))
		if read != nil {
			return errors.Join(read, purgeErr)
		}
		return errors.Join(s.fault(l, err), purgeErr)
	}
	if before != nil {
		// What was there is named by nothing now. Where this fails, a store in this process
		// removes it when it is opened next; in a cluster it stays.
		if err := l.pieces.Purge(ctx, jetstream.WithPurgeSubject(l.pieceSubject(before.NUID))); err != nil {
			s.log.Warn("the pieces of an object that was replaced are left", "object", name, "error", err)
		}
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

// describe finds an object's description; jobs.ErrMissing.
func (l *link) describe(ctx context.Context, name string) (*described, error) {
	var message *jetstream.RawStreamMsg
	err := l.reading(ctx, func(ctx context.Context) (err error) {
		message, err = l.pieces.GetLastMsgForSubject(ctx, l.nameSubject(name))
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("object %s %w", name, jobs.ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	d, err := describedBy(message)
	if err == nil && d.Deleted {
		return nil, fmt.Errorf("object %s %w", name, jobs.ErrMissing)
	}
	return d, err
}

// nameSubject is where the description of an object lies.
func (l *link) nameSubject(name string) string {
	return "$O." + l.bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// nameSubjects is of the descriptions of all objects.
func (l *link) nameSubjects() string { return "$O." + l.bucket + ".M.*" }

// pieceSubject is where the pieces of an object lie, by its id.
func (l *link) pieceSubject(id string) string { return "$O." + l.bucket + ".C." + id }

// putPieces writes the bytes and enters their number and digest; read is the
// error of their reader.
func (l *link) putPieces(ctx context.Context, info *jetstream.ObjectInfo, r io.Reader) (read, err error) {
	digest, piece := sha256.New(), make([]byte, pieceBytes)
	for {
		n, err := io.ReadFull(r, piece)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("read what is to be stored: %w", err), nil
		}
		digest.Write(piece[:n])
		if err := l.publish(ctx, &nats.Msg{Subject: l.pieceSubject(info.NUID), Data: piece[:n]}, info.NUID+strconv.Itoa(int(info.Chunks))); err != nil {
			return nil, err
		}
		info.Size += uint64(n)
		info.Chunks++
	}
	info.Digest = jetstream.GetObjectDigestValue(digest)
	return nil, nil
}

// putMeta writes the description that makes the pieces an object.
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

// publish writes one message. Its id makes a try whose answer was lost count once.
func (l *link) publish(ctx context.Context, message *nats.Msg, id string) error {
	return l.patiently(ctx, func(ctx context.Context) error {
		_, err := l.js.PublishMsg(ctx, message, jetstream.WithMsgID(id))
		return err
	})
}

// DeleteObject implements jobs.Store. The description goes last, so that what is
// cut off in between can be deleted once more; and only as it was found, since
// another process may be storing the object anew.
func (s *Store) DeleteObject(ctx context.Context, name string) error {
	l, err := s.current()
	if err != nil {
		return err
	}
	info, err := l.describe(ctx, name)
	if errors.Is(err, jobs.ErrMissing) {
		return nil
	}
	if err == nil {
		err = l.purge(ctx, l.pieces, jetstream.WithPurgeSubject(l.pieceSubject(info.NUID)))
	}
	if err == nil {
		err = l.purge(ctx, l.pieces, upTo(l.nameSubject(name), info.at)...)
	}
	return s.fault(l, err)
}

// Objects implements jobs.Store. The names are read off the subjects: the object
// store's own list waits for ever where an object is deleted meanwhile.
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

// Object implements jobs.Store.
func (s *Store) Object(ctx context.Context, name string) (io.ReadCloser, error) {
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	info, err := l.describe(ctx, name)
	if errors.Is(err, jobs.ErrMissing) {
		return nil, err
	}
	if err != nil {
		return nil, s.fault(l, err)
	}
	return &object{ctx: ctx, store: s, link: l, info: info.ObjectInfo, left: info.Size, next: 1, digest: sha256.New()}, nil
}

// object reads an object piece by piece, each by a request of its own: a consumer
// would be lost with the node that it lives on. Not safe for concurrent use.
type object struct {
	ctx   context.Context //nolint:containedctx // of the reading, which io.Reader has no way to be given
	store *Store
	link  *link
	info  *jetstream.ObjectInfo
	// piece is what was fetched and not yet read, left what was not yet fetched,
	// which lies at next or behind it in the stream.
	piece  []byte
	left   uint64
	next   uint64
	digest hash.Hash
}

// Read implements io.Reader. Its last error is io.EOF only where the bytes are
// those that were stored.
func (o *object) Read(p []byte) (int, error) {
	for len(o.piece) == 0 {
		if o.left == 0 {
			if jetstream.GetObjectDigestValue(o.digest) != o.info.Digest {
				return 0, services.Internal(errDamaged, "object %s is damaged", o.info.Name)
			}
			return 0, io.EOF
		}
		if err := o.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.piece)
	o.piece = o.piece[n:]
	return n, nil
}

var errDamaged = errors.New("its bytes are not those that were stored")

// fetch reads the next piece.
func (o *object) fetch() error {
	var message *jetstream.RawStreamMsg
	err := o.link.reading(o.ctx, func(ctx context.Context) (err error) {
		message, err = o.link.pieces.GetMsg(ctx, o.next, jetstream.WithGetMsgSubject(o.link.pieceSubject(o.info.NUID)))
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && uint64(len(message.Data)) > o.left {
		return services.Internal(errors.Join(errDamaged, err), "object %s is damaged", o.info.Name)
	}
	if err != nil {
		return o.store.fault(o.link, err)
	}
	o.piece, o.next = message.Data, message.Sequence+1
	o.left -= uint64(len(message.Data))
	o.digest.Write(message.Data)
	return nil
}

// WriteTo implements io.WriterTo, which spares a copy of every piece.
func (o *object) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if _, err := o.Read(nil); errors.Is(err, io.EOF) {
			return written, nil
		} else if err != nil {
			return written, err
		}
		n, err := io.Copy(w, bytes.NewReader(o.piece))
		written += n
		if err != nil {
			return written, err
		}
		o.piece = nil
	}
}

// Close implements io.Closer.
func (o *object) Close() error { return nil }

var (
	_ io.ReadCloser = (*object)(nil)
	_ io.WriterTo   = (*object)(nil)
)
