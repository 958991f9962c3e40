package library_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// holder is a job or a conversation of an owner that needs a recording.
type holder struct{ owner, id, by string }

// noted is what an owner has, by the model.
type noted struct {
	used           time.Time
	conversational bool
}

// walk makes random steps with a library and with a model of it: maps of what each owner has
// and of what needs it.
type walk struct {
	*shelf
	t      *testing.T
	random *rand.Rand
	has    map[[2]string]noted // by owner and recording
	// guard protects the fields that sweeps and writes in the background use.
	guard    sync.Mutex
	holders  []holder
	contents map[string]string // by recording
	// killedAt is the number of writes until one fails, at most 0 for none; killed is set when
	// it has. kills prevents all later writes too.
	killedAt      int
	killed, kills bool
}

var errKilled = errors.New("the process was killed")

var walkers = []string{"key-1", "key-2", "key/3"}

// open starts a process over the store.
func (w *walk) open(store *recordstest.Memory) {
	w.shelf = over(store)
	w.OnNeeds(func(need library.Need) {
		w.guard.Lock()
		defer w.guard.Unlock()
		for _, h := range w.holders {
			need(h.owner, h.id, h.by)
		}
	})
	w.start(w.t)
	w.sweep()
}

// sweep waits for the sweeps of the library, and makes one of the model.
func (w *walk) sweep() {
	synctest.Wait()
	for key, one := range w.has {
		life := 24 * time.Hour
		if one.conversational {
			life = 5 * time.Minute
		}
		if _, own, _ := w.needs(key[0], key[1]); !own && time.Since(one.used) > life {
			delete(w.has, key)
		}
	}
}

func newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	w := &walk{t: t, random: rand.New(rand.NewPCG(seed, 24)), has: make(map[[2]string]noted), contents: make(map[string]string)}
	store := recordstest.NewMemory()
	store.Before = func(string, string) error {
		w.guard.Lock()
		defer w.guard.Unlock()
		if w.killedAt--; w.killedAt == 0 {
			w.killed = true
			return errKilled
		}
		if w.killed && w.kills {
			return errKilled
		}
		return nil
	}
	w.open(store)
	for i := range 4 {
		content := fmt.Sprintf("content %d", i)
		in := w.receive(t, content)
		w.contents[in.ID] = content
		require.NoError(t, in.Discard(t.Context()))
	}
	return w
}

// pick returns an owner and a recording.
func (w *walk) pick() (owner, id string) {
	ids := make([]string, 0, len(w.contents))
	for id := range w.contents {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return walkers[w.random.IntN(len(walkers))], ids[w.random.IntN(len(ids))]
}

// hold adds a holder.
func (w *walk) hold(h holder) {
	w.guard.Lock()
	defer w.guard.Unlock()
	w.holders = append(w.holders, h)
}

// needs reports whether a recording is needed, by the owner's job that prevents its deletion,
// by anything of the owner, or by anything.
func (w *walk) needs(owner, id string) (prevents, own, any bool) {
	for _, h := range w.holders {
		if h.id == id {
			any, own, prevents = true, own || h.owner == owner, prevents || h.owner == owner && h.by != ""
		}
	}
	return prevents, own, any
}

// use updates the model after a use by an owner that has the recording.
func (w *walk) use(owner, id string, stores bool) {
	key := [2]string{owner, id}
	one := w.has[key]
	if stores && one.conversational || time.Since(one.used) >= 24*time.Hour/20 {
		one.used = time.Now()
	}
	one.conversational = one.conversational && !stores
	w.has[key] = one
}

func (w *walk) put(owner, id string) error {
	in, err := w.Receive(w.t.Context(), strings.NewReader(w.contents[id]), library.About{Owner: owner, ContentType: "audio/wav"})
	if err != nil {
		return err
	}
	_, created, err := w.Save(w.t.Context(), in, owner)
	if err != nil {
		return err
	}
	_, had := w.has[[2]string{owner, id}]
	require.Equal(w.t, !had, created, "%s stores %s", owner, id)
	if !had {
		w.has[[2]string{owner, id}] = noted{used: time.Now()}
	}
	w.use(owner, id, true)
	return nil
}

// converse stores a recording for a conversation, as that does before it is stored itself.
func (w *walk) converse(owner, id string) error {
	got, err := w.KeepAudio(w.t.Context(), owner, memory(w.contents[id]))
	if err != nil {
		return err
	}
	require.Equal(w.t, id, got)
	one, had := w.has[[2]string{owner, id}]
	if one.conversational || !had {
		w.has[[2]string{owner, id}] = noted{time.Now(), true}
	}
	w.use(owner, id, false)
	if w.random.IntN(3) > 0 {
		w.hold(holder{owner, id, "conversation"})
	}
	return nil
}

// work makes a sound by a job, or accepts a job about a recording.
func (w *walk) work(owner, id string) error {
	_, had := w.has[[2]string{owner, id}]
	if had && w.random.IntN(2) == 0 {
		w.hold(holder{owner, id, "job"})
		return nil
	}
	_, release, err := w.Import(w.t.Context(), memory(w.contents[id]), library.About{Owner: owner, ContentType: "audio/wav"})
	if err != nil {
		return err
	}
	release()
	if !had {
		w.has[[2]string{owner, id}] = noted{used: time.Now()}
	}
	w.use(owner, id, true)
	w.hold(holder{owner, id, ""})
	return nil
}

func (w *walk) remove(owner, id string) error {
	err := w.Delete(w.t.Context(), services.Caller{Key: owner}, id)
	if errors.Is(err, errKilled) {
		return err
	}
	_, had := w.has[[2]string{owner, id}]
	prevents, _, _ := w.needs(owner, id)
	switch {
	case !had:
		require.Equal(w.t, services.KindNotFound, services.KindOf(err), "%s deletes %s", owner, id)
	case prevents:
		require.ErrorIs(w.t, err, library.ErrInUse)
	default:
		require.NoError(w.t, err)
		delete(w.has, [2]string{owner, id})
	}
	return nil
}

// read opens a recording, which an owner finds exactly if the model says so.
func (w *walk) read(owner, id string) {
	file, recording, err := w.Open(w.t.Context(), services.Caller{Key: owner}, id)
	if _, had := w.has[[2]string{owner, id}]; !had {
		require.Equal(w.t, services.KindNotFound, services.KindOf(err), "%s reads %s", owner, id)
		return
	}
	require.NoError(w.t, err, "%s reads %s", owner, id)
	content, err := io.ReadAll(file)
	require.NoError(w.t, err)
	require.Equal(w.t, w.contents[id], string(content))
	if !w.has[[2]string{owner, id}].conversational {
		require.Equal(w.t, "audio/wav", recording.ContentType)
	}
	w.use(owner, id, false)
}

// rest lets time pass, in which sweeps run, and compares what is stored with the model.
func (w *walk) rest() {
	time.Sleep(time.Duration(1+w.random.IntN(12)*w.random.IntN(12)) * 10 * time.Minute)
	w.sweep()
	var want []string
	stored := complete(w.t, w.shelf)
	for id := range w.contents {
		_, _, needed := w.needs("", id)
		for key := range w.has {
			needed = needed || key[1] == id
		}
		// What a job needs is there only if it was when the job came.
		if needed && slices.Contains(stored, id) {
			want = append(want, id)
		}
		for key := range w.has {
			require.True(w.t, key[1] != id || slices.Contains(want, id), "%s of %s is lost", id, key[0])
		}
	}
	require.ElementsMatch(w.t, want, stored, "content that nobody holds is gone")
}

// check compares the lists with the model, and looks for refs without content.
func (w *walk) check() {
	for _, owner := range walkers {
		var want []string
		for key, one := range w.has {
			if key[0] == owner && !one.conversational {
				want = append(want, key[1])
			}
		}
		require.ElementsMatch(w.t, want, w.listed(w.t, services.Caller{Key: owner}), owner)
	}
	complete(w.t, w.shelf)
}

// plant has a write of a step fail, and with kill all later ones too, after which the process
// is started again. The step is done or not; for other owners nothing has changed.
func (w *walk) plant(step func(owner, id string) error, kill bool) {
	owner, id := w.pick()
	key := [2]string{owner, id}
	before, had := w.has[key]
	w.guard.Lock()
	w.killedAt, w.kills = 1+w.random.IntN(5), kill
	w.guard.Unlock()
	err := step(owner, id)
	w.guard.Lock()
	killed := w.killed
	w.killedAt, w.killed = 0, false
	w.guard.Unlock()
	if err == nil {
		w.restart(kill && killed)
		return
	}
	require.ErrorIs(w.t, err, errKilled)
	_, err = w.Describe(w.t.Context(), services.Caller{Key: owner}, id)
	has := err == nil
	if !has {
		require.Equal(w.t, services.KindNotFound, services.KindOf(err))
	}
	if !had && has {
		raw, _, err := w.store.Read(w.t.Context(), "ref."+refKey(owner)+"."+id)
		require.NoError(w.t, err)
		before = noted{time.Now(), strings.Contains(string(raw), `"conversational":true`)}
	}
	delete(w.has, key)
	if has {
		w.has[key] = before
	}
	w.restart(kill && killed)
}

// restart starts the process again if it was killed.
func (w *walk) restart(killed bool) {
	if killed {
		w.stop(w.t)
		w.open(w.store)
	}
}

// step makes one random step.
func (w *walk) step() {
	owner, id := w.pick()
	switch w.random.IntN(12) {
	case 0, 1:
		require.NoError(w.t, w.put(owner, id))
	case 2, 3, 4:
		require.NoError(w.t, w.remove(owner, id))
	case 5:
		require.NoError(w.t, w.converse(owner, id))
	case 6:
		require.NoError(w.t, w.work(owner, id))
	case 7:
		if n := len(w.holders); n > 0 {
			at := w.random.IntN(n)
			w.guard.Lock()
			w.holders = slices.Delete(w.holders, at, at+1)
			w.guard.Unlock()
		}
	case 8:
		w.rest()
	case 9:
		w.plant([]func(string, string) error{w.put, w.remove, w.converse, w.work}[w.random.IntN(4)], w.random.IntN(2) == 0)
	default:
		w.read(owner, id)
	}
	w.check()
}

// TestAWalkOfThreeOwners compares the library with the model after each of many random steps,
// with failed writes and kills between the writes.
func TestAWalkOfThreeOwners(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWalk(t, seed)
				for range 120 {
					w.step()
				}
				w.rest()
				w.guard.Lock()
				w.holders = nil
				w.guard.Unlock()
				time.Sleep(26 * time.Hour)
				w.rest()
				require.Empty(t, w.objects(t), "what nobody needs expires")
				require.Empty(t, w.has)
				w.stop(t)
			})
		})
	}
}
