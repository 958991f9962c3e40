package batches

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Dependencies are what a Manager needs.
type Dependencies struct {
	// Database holds the records; it must not have been started.
	Database *records.Database
	Library  *library.Library
	Jobs     *jobs.Manager
	Sender   jobs.Sender
	// Encode returns the body of a webhook.
	Encode func(View) ([]byte, error)
	// ClaimTimeout is how long a claim is valid without a sign of life, where several
	// processes share the store.
	ClaimTimeout time.Duration
	// MaxDeliveries bounds the tries to deliver a webhook.
	MaxDeliveries int
	Log           *slog.Logger
}

// Manager accepts batches, turns their items into jobs and collects the outcomes. Safe for
// concurrent use. Its calls need a started database.
type Manager struct {
	Dependencies
	cfg   Config
	store records.Store
	all   *records.Collection[Batch]
	items jobs.Items
	// worker identifies this process in claims.
	worker string
	sealAt int
	group  lifecycle.Group
	wake   chan struct{} // a batch may go on

	mu       sync.Mutex
	trackers map[string]*tracker
	// writing are the tokens in the names of objects that no record names yet.
	writing map[string]struct{}
}

// New returns a manager of the batches of a database.
func New(cfg Config, deps Dependencies) *Manager {
	m := &Manager{
		Dependencies: deps, cfg: cfg, store: deps.Database.Store(), worker: "batches-" + rand.Text(),
		wake: make(chan struct{}, 1), sealAt: sealAt,
		trackers: make(map[string]*tracker), writing: make(map[string]struct{}),
	}
	m.all = records.NewCollection(deps.Database, record, m.changed)
	m.items = deps.Jobs.Items(m.itemChanged)
	deps.Library.OnNeeds(m.needs)
	deps.Library.OnPending(m.pending)
	deps.Database.OnSweep(m.sweep)
	return m
}

// Start turns items into jobs until Stop is called. It returns at once.
func (m *Manager) Start(ctx context.Context) error { return m.group.Start(ctx, m.drive, m.deliver) }

// Stop stops that and waits for it. The jobs go on.
func (m *Manager) Stop(ctx context.Context) error { return m.group.Stop(ctx) }

// nudge wakes the driver.
func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// tracker is a batch as this process sees it. The manager's mu guards it.
type tracker struct {
	// batch is nil if jobs of it are known and the record is not.
	batch *Batch
	// live are the jobs of items that have not ended in the record, retained those of others: a
	// failed job stays until its item is retried.
	live, retained map[int]*jobs.Job
	// refused are items that could not become jobs, until that is in the record.
	refused map[int]*jobs.Failure
	// audio has the recording of each item, nil until the segments were read. sounds are those
	// that the outcomes in the first outputs segments name.
	audio     []audioID
	sounds    []audioID
	outputs   int
	followers map[*follower]struct{}
}

// tracker returns the tracker of a batch, creating it if needed. The caller holds mu.
func (m *Manager) tracker(id string) *tracker {
	t := m.trackers[id]
	if t == nil {
		t = &tracker{
			live: make(map[int]*jobs.Job), retained: make(map[int]*jobs.Job), refused: make(map[int]*jobs.Failure),
			followers: make(map[*follower]struct{}),
		}
		m.trackers[id] = t
	}
	return t
}

// forget removes a tracker that nothing uses. The caller holds mu.
func (m *Manager) forget(id string, t *tracker) {
	if t.batch == nil && len(t.live)+len(t.retained)+len(t.followers) == 0 {
		delete(m.trackers, id)
	}
}

// ended returns the number of items that have ended in the record.
func (t *tracker) ended() int {
	n := t.batch.States.counts()
	return n[stateSucceeded] + n[stateFailed] + n[stateCancelled]
}

// isOpen reports whether an item has not ended in the record.
func (t *tracker) isOpen(item int) bool {
	return t.batch == nil || item >= 0 && item < t.batch.Items && t.batch.States.at(item) == stateOpen
}

// jobs returns the ids of the jobs of all items.
func (t *tracker) jobs() (ids []string) {
	for _, list := range []map[int]*jobs.Job{t.live, t.retained} {
		for _, job := range list {
			ids = append(ids, job.ID)
		}
	}
	return ids
}

// changed applies a change of a batch by any process. It is called with the collection's lock
// held.
func (m *Manager) changed(e records.Event[Batch]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracker(e.ID)
	before := t.batch
	t.batch = nil
	if e.Now != nil {
		batch := e.Now.Value
		t.batch = &batch
		t.sort()
		if batch.Status.Terminal() {
			t.audio = nil // read again after a retry
		}
	}
	t.notify(before)
	m.forget(e.ID, t)
	m.nudge()
}

// sort moves the jobs between live and retained after a change of the record.
func (t *tracker) sort() {
	for item, job := range t.live {
		if !t.isOpen(item) {
			delete(t.live, item)
			t.retained[item] = job
		}
	}
	for item, job := range t.retained {
		if t.isOpen(item) {
			delete(t.retained, item)
			t.live[item] = job
		}
	}
	for item := range t.refused {
		if !t.isOpen(item) {
			delete(t.refused, item)
		}
	}
}

// itemChanged applies a change of an item's job by any process. It is called with the lock of
// the jobs held.
func (m *Manager) itemChanged(_ string, before, now *jobs.Job) {
	one := now
	if one == nil {
		one = before
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracker(one.Batch)
	delete(t.live, one.Item)
	delete(t.retained, one.Item)
	switch {
	case now != nil && t.isOpen(one.Item):
		t.live[one.Item] = now
	case now != nil:
		t.retained[one.Item] = now
	}
	for f := range t.followers {
		f.add(one.Item)
	}
	m.forget(one.Batch, t)
	if now == nil || now.Status != jobs.StatusRunning {
		m.nudge()
	}
}

// expect sets the recordings of a batch that is about to be created, so that they are needed
// from its first moment.
func (m *Manager) expect(id string, audio []audioID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tracker(id).audio = audio
}

// needs reports the recordings that batches need: those of items that have not ended must not
// be deleted, and the sounds that items made stay as long as the batch.
func (m *Manager) needs(need library.Need) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.trackers {
		if t.batch == nil {
			continue
		}
		if !t.batch.Status.Terminal() {
			for item, audio := range t.audio {
				if t.isOpen(item) {
					need(t.batch.Owner, audio.String(), "batch "+id)
				}
			}
		}
		for _, sound := range t.sounds {
			need(t.batch.Owner, sound.String(), "")
		}
	}
}

// pending returns a fault while it is not known which recordings the batches need.
func (m *Manager) pending() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.trackers {
		if t.unread() {
			return &services.Fault{
				Kind: services.KindUnavailable, RetryAfter: 2 * time.Second, Message: fmt.Sprintf("batch %s is still being loaded", id),
			}
		}
	}
	return nil
}

// unread reports whether segments must be read to know which recordings the batch needs.
func (t *tracker) unread() bool {
	return t.batch != nil &&
		(!t.batch.Status.Terminal() && len(t.audio) != t.batch.Items || t.batch.Sounds > 0 && t.outputs < len(t.batch.Outputs))
}

// learn reads the segments of a batch that name recordings.
func (m *Manager) learn(ctx context.Context, b Batch) error {
	m.mu.Lock()
	t := m.trackers[b.ID]
	if t == nil || !t.unread() {
		m.mu.Unlock()
		return nil
	}
	known, from := len(t.audio) == b.Items || b.Status.Terminal(), t.outputs
	m.mu.Unlock()
	var audio []audioID
	if !known {
		items := m.newReader(b)
		for item := range b.Items {
			one, err := items.item(ctx, item)
			if services.KindOf(err) == services.KindUnavailable || ctx.Err() != nil {
				return err
			}
			id, _ := parseAudioID(one.AudioID) // it was checked; a lost segment has none
			audio = append(audio, id)
		}
	}
	sounds, err := m.soundsOf(ctx, b, from)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !known && len(t.audio) != b.Items {
		t.audio = audio
	}
	if t.outputs == from && b.Sounds > 0 {
		t.sounds, t.outputs = append(t.sounds, sounds...), len(b.Outputs)
	}
	return nil
}

// soundsOf returns the sounds that the outcomes in the outputs from one on name.
func (m *Manager) soundsOf(ctx context.Context, b Batch, from int) (sounds []audioID, err error) {
	if b.Sounds == 0 {
		return nil, nil
	}
	lines := m.newPicker(b)
	defer lines.close()
	for i := from; i < len(b.Outputs); i++ {
		var places []place
		err := m.scan(ctx, b.Outputs[i], func(_ []byte, at, size int64) error {
			places = append(places, place{uint32(i), uint32(size), at}) //nolint:gosec // results are smaller
			return nil
		})
		if services.KindOf(err) == services.KindUnavailable || ctx.Err() != nil {
			return nil, err
		}
		for _, at := range places {
			out, err := lines.line(ctx, at)
			if services.KindOf(err) == services.KindUnavailable || ctx.Err() != nil {
				return nil, err
			}
			sounds = append(sounds, soundIDs(out)...)
		}
	}
	return sounds, nil
}

// namedSound finds the recordings that a result names.
var namedSound = regexp.MustCompile(`"audio_id":\s*"([0-9a-f]{64})"`)

// soundIDs returns the ids of the sounds that an outcome has, or that its result names.
func soundIDs(out Outcome) (ids []audioID) {
	add := func(text string) {
		if id, err := parseAudioID(text); err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, sound := range out.Sounds {
		add(sound.AudioID)
	}
	for _, found := range namedSound.FindAllSubmatch(out.Result, -1) {
		add(string(found[1]))
	}
	return ids
}
