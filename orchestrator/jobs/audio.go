package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// input is a job's recording at its submission.
type input struct {
	id     string
	bytes  int64
	source services.AudioSource
	close  func()
	// stored is the recording where it is in the store already.
	stored Audio
}

// input finds the recording of a submission; nothing is stored yet.
func (m *Manager) input(ctx context.Context, s Submission) (input, error) {
	none := input{close: func() {}}
	switch {
	case s.Upload != nil && s.AudioID != "":
		return none, services.Invalidf("audio_id", "cannot be given beside a recording")
	case s.Upload != nil:
		id, err := digest(ctx, s.Upload.Audio)
		return input{id: id, bytes: s.Upload.Audio.Size(), source: s.Upload.Audio, close: none.close}, err
	case s.AudioID == "":
		return none, nil
	}
	audio, err := m.Audio(ctx, s.AudioID)
	if services.KindOf(err) == services.KindNotFound {
		return none, services.Invalidf("audio_id", "names no stored recording, got %q", s.AudioID)
	}
	if err != nil {
		return none, err
	}
	spooled := &stored{manager: m, ctx: ctx, audio: audio}
	return input{audio.ID, audio.Bytes, spooled, spooled.remove, audio}, nil
}

// digest gives the SHA-256 of a recording, in hex.
func digest(ctx context.Context, audio services.AudioSource) (string, error) {
	file, err := audio.Open()
	if err != nil {
		return "", services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return file.Read(p)
	})); err != nil {
		return "", fmt.Errorf("read the recording: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// StoreAudio stores a recording once by its content; created tells whether it is
// new.
func (m *Manager) StoreAudio(ctx context.Context, upload Upload) (audio Audio, created bool, err error) {
	audio, created, err = m.storeAudio(ctx, upload)
	return audio, created, m.orFull(err, services.Bytes(upload.Audio.Size()))
}

func (m *Manager) storeAudio(ctx context.Context, upload Upload) (audio Audio, created bool, err error) {
	id, err := digest(ctx, upload.Audio)
	if err != nil {
		return Audio{}, false, err
	}
	return m.store(ctx, upload, id, false)
}

// store stores a recording whose digest is known: the object first, then the
// record that makes it known. A conversational one goes with its conversations.
func (m *Manager) store(ctx context.Context, upload Upload, id string, conversational bool) (Audio, bool, error) {
	lock := m.storing(id)
	lock.Lock()
	defer lock.Unlock()
	known, err := m.Audio(ctx, id)
	if err == nil {
		return known, false, m.adopt(ctx, known, conversational)
	}
	if services.KindOf(err) != services.KindNotFound {
		return Audio{}, false, err
	}
	size := services.Bytes(upload.Audio.Size())
	if err := m.room(ctx, size); err != nil {
		return Audio{}, false, err
	}
	file, err := upload.Audio.Open()
	if err != nil {
		return Audio{}, false, services.Internal(err, "the recording cannot be read")
	}
	defer file.Close()
	if err := m.Store.PutObject(ctx, audioObject(id), file); err != nil {
		return Audio{}, false, err
	}
	now := time.Now().UTC()
	audio := Audio{ID: id, Bytes: int64(size), ContentType: upload.ContentType, Conversational: conversational, Created: now, Used: now}
	raw, err := json.Marshal(audio)
	if err != nil {
		return Audio{}, false, services.Internal(err, "the recording's record could not be encoded")
	}
	audio.Revision, err = m.Store.Create(ctx, audioKind+"."+id, raw)
	if errors.Is(err, ErrExists) {
		// Another process was first.
		audio, err := m.Audio(ctx, id)
		if services.KindOf(err) == services.KindNotFound {
			err = busy(id, err)
		}
		if err == nil {
			err = m.adopt(ctx, audio, conversational)
		}
		return audio, false, err
	}
	if err != nil {
		return Audio{}, false, err
	}
	m.index.putAudio(audio)
	return m.dated(audio), true, nil
}

// adopt notes that a recording that is stored already was stored again.
func (m *Manager) adopt(ctx context.Context, audio Audio, conversational bool) error {
	switch {
	case conversational && audio.Conversational:
		// It may be about to go with the last conversation before this one.
		return m.refresh(ctx, audio)
	case audio.Conversational:
		audio.Conversational = false
		return m.refresh(ctx, audio)
	}
	m.touch(ctx, audio)
	return nil
}

// refresh writes a recording's record as used now. The fault is busy where it is
// being deleted.
func (m *Manager) refresh(ctx context.Context, audio Audio) error {
	audio.Used = time.Now().UTC()
	raw, err := json.Marshal(audio)
	if err != nil {
		return services.Internal(err, "the recording's record could not be encoded")
	}
	audio.Revision, err = m.Store.Replace(ctx, audioKind+"."+audio.ID, raw, audio.Revision)
	if errors.Is(err, ErrConflict) {
		return busy(audio.ID, err)
	}
	if err == nil {
		m.index.putAudio(audio)
	}
	return err
}

// busy is the fault of a recording that somebody else stores, uses or deletes.
func busy(id string, err error) error {
	return &services.Fault{Kind: services.KindBusy, Message: fmt.Sprintf("recording %s is being stored, used or deleted by another request", id), RetryAfter: time.Second, Err: err}
}

func audioObject(id string) string { return audioKind + "-" + id }

// storing gives the lock under which this process stores a recording.
func (m *Manager) storing(id string) *sync.Mutex {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A few locks for all recordings: two of one lock only wait for each other.
	shard := id[:1]
	if m.stores[shard] == nil {
		m.stores[shard] = &sync.Mutex{}
	}
	return m.stores[shard]
}

// room refuses a recording that the quota or the disk has no room for, once
// what has expired is gone.
func (m *Manager) room(ctx context.Context, size services.Bytes) error {
	if held := m.AudioBytes(); held+size > m.cfg.Audio.Quota {
		m.expireAudio(ctx)
		if held = m.AudioBytes(); held+size > m.cfg.Audio.Quota {
			return services.Faultf(services.KindFull, "the recording has %d bytes, and stored recordings have %d of the %d that jobs.audio.quota allows; delete some, or wait until they expire", int64(size), int64(held), int64(m.cfg.Audio.Quota))
		}
	}
	return m.Store.Room(size + recordRoom)
}

// AudioBytes is what the stored recordings take.
func (m *Manager) AudioBytes() services.Bytes {
	m.index.mu.Lock()
	defer m.index.mu.Unlock()
	return services.Bytes(m.index.audioed)
}

// Audio describes a stored recording; the fault is not found.
func (m *Manager) Audio(ctx context.Context, id string) (Audio, error) {
	raw, at, err := m.Store.Read(ctx, audioKind+"."+id)
	if errors.Is(err, ErrMissing) {
		return Audio{}, &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("recording %q does not exist, or has expired", id), Err: err}
	}
	if err != nil {
		return Audio{}, err
	}
	var audio Audio
	if err := json.Unmarshal(raw, &audio); err != nil {
		return Audio{}, services.Internal(err, "the record of recording %s cannot be read", id)
	}
	audio.Revision = at
	return m.dated(audio), nil
}

func (m *Manager) dated(audio Audio) Audio {
	audio.Expires = audio.Used.Add(m.cfg.Audio.TTL)
	return audio
}

// touch notes the use of a recording, which puts its end off. It writes only
// where that makes a difference, and failing is no harm now.
func (m *Manager) touch(ctx context.Context, audio Audio) {
	if time.Since(audio.Used) < m.cfg.Audio.TTL/20 {
		return
	}
	if err := m.refresh(ctx, audio); err != nil && !errors.Is(err, ErrConflict) {
		m.Log.Warn("the use of a recording was not noted", "audio", audio.ID, "error", err)
	}
}

// OpenAudio gives a stored recording, to be read and sought. The caller closes it.
func (m *Manager) OpenAudio(ctx context.Context, id string) (io.ReadSeekCloser, Audio, error) {
	audio, err := m.Audio(ctx, id)
	if err != nil {
		return nil, Audio{}, err
	}
	file, err := m.spool(ctx, audio)
	if err != nil {
		return nil, Audio{}, err
	}
	m.touch(ctx, audio)
	// The file goes with its last reader.
	if err := os.Remove(file.Name()); err != nil {
		return nil, Audio{}, errors.Join(services.Internal(err, "the recording cannot be read"), file.Close())
	}
	return file, audio, nil
}

// StoredAudio gives a stored recording as the input of a task, until release.
func (m *Manager) StoredAudio(ctx context.Context, id string) (source services.AudioSource, release func(), err error) {
	audio, err := m.Audio(ctx, id)
	if services.KindOf(err) == services.KindNotFound {
		return nil, nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "audio_id", Problem: fmt.Sprintf("names no stored recording, got %q", id)}}}
	}
	if err != nil {
		return nil, nil, err
	}
	m.touch(ctx, audio)
	file := &stored{manager: m, ctx: ctx, audio: audio}
	if err := file.fetch(); err != nil {
		return nil, nil, err
	}
	return file, file.remove, nil
}

// spool copies a stored recording to a file of its own, read from the start.
func (m *Manager) spool(ctx context.Context, audio Audio) (file *os.File, err error) {
	object, err := m.Store.Object(ctx, audioObject(audio.ID))
	switch {
	case errors.Is(err, ErrMissing):
		return nil, services.Internal(err, "the bytes of recording %s are lost", audio.ID)
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	defer object.Close()
	if file, err = os.CreateTemp(m.SpoolDir, "stored-*"); err != nil {
		return nil, services.Internal(err, "the recording cannot be spooled")
	}
	n, err := io.Copy(file, object)
	if err == nil && n != audio.Bytes {
		err = fmt.Errorf("it has %d bytes instead of %d", n, audio.Bytes)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else if services.KindOf(err) != services.KindUnavailable { // which passes
			err = services.Internal(err, "recording %s cannot be read", audio.ID)
		}
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

// DeleteAudio forgets a recording, unless an unfinished job or a conversation
// needs it.
func (m *Manager) DeleteAudio(ctx context.Context, id string) error {
	audio, err := m.Audio(ctx, id)
	if err != nil {
		return err
	}
	needed := ""
	m.index.each(func(job Job, _ time.Time) bool {
		if !job.Status.Terminal() && job.AudioID == id {
			needed = job.ID
		}
		return needed == ""
	})
	if needed != "" {
		return fmt.Errorf("job %s: %w", needed, ErrAudioInUse)
	}
	if m.index.inConversation()[id] {
		return ErrAudioInUse
	}
	return m.removeAudio(ctx, audio)
}

// removeAudio removes the record first, so that no record promises bytes that
// are gone.
func (m *Manager) removeAudio(ctx context.Context, audio Audio) error {
	lock := m.storing(audio.ID)
	lock.Lock()
	defer lock.Unlock()
	err := m.Store.Delete(ctx, audioKind+"."+audio.ID, audio.Revision)
	if errors.Is(err, ErrConflict) {
		return busy(audio.ID, err)
	}
	if err != nil {
		return err
	}
	m.index.dropAudio(audio.ID, audio.Revision)
	return m.Store.DeleteObject(ctx, audioObject(audio.ID))
}
