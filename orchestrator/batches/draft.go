package batches

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Bounds of a segment of items. An item of 256 KiB of parameters fills one alone.
const (
	segmentItems = 1000
	segmentBytes = 256 << 10
)

// Request is what all items of a batch have in common.
type Request struct {
	Shared   Item
	Title    string
	Priority services.Priority
	Callback string
	// IdempotencyKey makes a repeated request return the first one's batch; empty for none.
	IdempotencyKey string
}

// Draft is a batch that is being received. Its items are written to the store as they come,
// so that the memory it takes does not depend on their number. It must be committed or
// discarded. Not safe for concurrent use.
type Draft struct {
	manager  *Manager
	caller   services.Caller
	token    string
	release  func() // of the token
	hash     hash.Hash
	buffer   bytes.Buffer
	buffered int
	inputs   []Segment
	// audio has the recording of each item, as in tracker; lines the line that the client
	// sent it in, 0 for none.
	audio    []audioID
	lines    []int32
	releases []func()
	// missing are the faults of items whose recording is not stored.
	missing []error
	// seen counts the items, also those that were refused.
	seen int
}

// Draft begins a batch of a caller.
func (m *Manager) Draft(caller services.Caller) (*Draft, error) {
	if err := m.Database.NotReady("batches"); err != nil {
		return nil, err
	}
	d := &Draft{manager: m, caller: caller, hash: sha256.New()}
	d.token, d.release = m.unnamed()
	return d, nil
}

// Items returns the number of items so far, also of those that were refused.
func (d *Draft) Items() int { return d.seen }

// Skip counts an item that cannot be read.
func (d *Draft) Skip() { d.seen++ }

// Save adds a recording that was received to the library and returns its id.
func (d *Draft) Save(ctx context.Context, in *library.Incoming) (string, error) {
	d.releases = append(d.releases, d.manager.Library.Hold(d.caller.Key, in.ID))
	recording, _, err := d.manager.Library.Save(ctx, in, d.caller.Key)
	return recording.ID, err
}

// Add adds an item; line is the one that the client sent it in, or 0. A fault names the
// item's fields.
func (d *Draft) Add(ctx context.Context, item Item, line int) error {
	m, at := d.manager, d.seen
	d.seen++
	if at >= m.cfg.MaxItems {
		return d.fault(at, line, services.Invalidf("items", "must be at most %d, which is the setting jobs.batches.maxItems", m.cfg.MaxItems))
	}
	if len(item.Params) > int(jobs.MaxParams) {
		return d.fault(at, line, services.Invalidf("params", "must have at most %d bytes, got %d", jobs.MaxParams, len(item.Params)))
	}
	id, err := parseAudioID(item.AudioID)
	if err == nil && item.AudioID != "" {
		err = d.use(ctx, item.AudioID)
	}
	if services.KindOf(err) == services.KindNotFound {
		// A repetition may arrive after the recording has expired.
		err = nil
		if len(d.missing) < maxFaults {
			d.missing = append(d.missing, d.fault(at, line, services.Invalidf("audio_id", "names no stored recording, got %q", item.AudioID)))
		}
	}
	if err != nil {
		return d.fault(at, line, err)
	}
	raw, err := json.Marshal(item)
	if err != nil {
		return services.Internal(err, "an item could not be encoded")
	}
	if d.buffered > 0 && (d.buffered == segmentItems || d.buffer.Len()+len(raw) > segmentBytes) {
		if err := d.flush(ctx); err != nil {
			return err
		}
	}
	d.hash.Write(raw)
	d.hash.Write([]byte{'\n'})
	d.buffer.Write(raw)
	d.buffer.WriteByte('\n')
	d.buffered++
	d.audio, d.lines = append(d.audio, id), append(d.lines, int32(line)) //nolint:gosec // a body has fewer lines
	return nil
}

// use holds a stored recording and extends its time to live.
func (d *Draft) use(ctx context.Context, id string) error {
	d.releases = append(d.releases, d.manager.Library.Hold(d.caller.Key, id))
	return d.manager.Library.Use(ctx, d.caller, id)
}

// flush writes the buffered items as a segment.
func (d *Draft) flush(ctx context.Context) error {
	if d.buffered == 0 {
		return nil
	}
	m := d.manager
	if err := m.store.Room(services.Bytes(d.buffer.Len()) + records.LeastRoom); err != nil {
		return err
	}
	one := Segment{Object: fmt.Sprintf("%s%s-in-%d", objectPrefix, d.token, len(d.inputs)), Items: d.buffered, Bytes: int64(d.buffer.Len())}
	if err := records.PutObject(ctx, m.store, one.Object, &d.buffer); err != nil {
		return records.OrFull(m.store, err, services.Bytes(one.Bytes))
	}
	d.inputs, d.buffered = append(d.inputs, one), 0
	d.buffer.Reset()
	return nil
}

// Discard removes what was written unless the batch was committed.
func (d *Draft) Discard(ctx context.Context) error {
	for _, release := range d.releases {
		release()
	}
	var errs []error
	for _, one := range d.inputs {
		errs = append(errs, d.manager.store.DeleteObject(ctx, one.Object))
	}
	d.releases, d.inputs = nil, nil
	d.release()
	return errors.Join(errs...)
}

// Commit accepts the batch: once it returns, the batch survives the process. existed reports
// whether the key's earlier batch was found.
func (d *Draft) Commit(ctx context.Context, r Request) (made View, existed bool, err error) {
	m := d.manager
	if err := d.flush(ctx); err != nil {
		return View{}, false, err
	}
	batch, err := d.batch(r)
	if err != nil {
		return View{}, false, err
	}
	if r.IdempotencyKey != "" {
		batch.ID = keyedID(d.caller.Key, r.IdempotencyKey)
		before, err := m.all.Load(ctx, batch.ID)
		if err == nil {
			return m.repeated(before, batch)
		}
		if !errors.Is(err, records.ErrMissing) {
			return View{}, false, err
		}
	}
	if len(d.missing) > 0 {
		return View{}, false, joinFaults(d.missing)
	}
	if err := d.check(ctx, batch); err != nil {
		return View{}, false, err
	}
	if err := m.admit(batch); err != nil {
		return View{}, false, err
	}
	if err := m.store.Room(records.LeastRoom); err != nil {
		return View{}, false, err
	}
	m.expect(batch.ID, d.audio) // before the first job can be made
	created, err := m.all.Create(ctx, batch)
	if errors.Is(err, records.ErrExists) {
		before, err := m.all.Load(ctx, batch.ID)
		if err != nil {
			return View{}, false, err
		}
		return m.repeated(before, batch)
	}
	if err != nil {
		return View{}, false, records.OrFull(m.store, err, 0)
	}
	d.inputs = nil // they belong to the record now
	m.nudge()
	return m.view(created), false, nil
}

// batch returns the record of the draft.
func (d *Draft) batch(r Request) (Batch, error) {
	if d.seen == 0 {
		return Batch{}, services.Invalidf("items", "are missing; a batch has at least one")
	}
	b := Batch{
		ID: "batch-" + strings.ToLower(rand.Text()), Owner: d.caller.Key, SeesAll: d.caller.All, Title: r.Title, Shared: r.Shared,
		Priority: r.Priority, Items: len(d.audio), Inputs: d.inputs, States: newStates(len(d.audio)), Status: StatusRunning,
		Created: time.Now().UTC(),
	}
	if r.Callback != "" {
		if err := d.manager.Sender.CheckURL(r.Callback); err != nil {
			return Batch{}, err
		}
		b.Callback = &jobs.Callback{URL: r.Callback, State: jobs.CallbackWaiting}
	}
	request := struct {
		Shared          Item
		Title, Callback string
		Priority        services.Priority
		Items           string
	}{r.Shared, r.Title, r.Callback, r.Priority, hex.EncodeToString(d.hash.Sum(nil))}
	raw, err := json.Marshal(request)
	if err != nil {
		return Batch{}, services.Internal(err, "the request could not be encoded")
	}
	sum := sha256.Sum256(raw)
	b.Fingerprint = hex.EncodeToString(sum[:])
	return b, nil
}

// keyedID derives a batch's id from an idempotency key.
func keyedID(owner, key string) string {
	sum := sha256.Sum256([]byte(owner + "\x00" + key))
	return "batch-" + hex.EncodeToString(sum[:16])
}

// repeated answers a repeated request under an idempotency key.
func (m *Manager) repeated(before, again Batch) (View, bool, error) {
	if before.Fingerprint != again.Fingerprint {
		return View{}, false, fmt.Errorf("batch %s: %w", before.ID, ErrKeyReused)
	}
	return m.view(before), true, nil
}
