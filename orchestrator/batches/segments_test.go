package batches

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// over returns a manager with a store alone.
func over(store records.Store) *Manager {
	return &Manager{
		store: store, cfg: DefaultConfig(), trackers: make(map[string]*tracker), writing: make(map[string]struct{}), wake: make(chan struct{}, 1),
	}
}

// put stores lines as an object.
func put(t *testing.T, store records.Store, name string, lines ...[]byte) Segment {
	t.Helper()
	raw := bytes.Join(append(slices.Clone(lines), nil), []byte("\n"))
	require.NoError(t, records.PutObject(t.Context(), store, name, bytes.NewReader(raw)))
	return Segment{Object: name, Items: len(lines), Bytes: int64(len(raw))}
}

// counted is a store that counts the objects that are open and those that were opened.
type counted struct {
	records.Store
	open, opened int
}

func (c *counted) Object(ctx context.Context, name string) (records.Object, error) {
	object, err := c.Store.Object(ctx, name)
	if err != nil {
		return nil, err
	}
	c.open++
	c.opened++
	return &closing{object, c}, nil
}

type closing struct {
	records.Object
	of *counted
}

func (c *closing) Close() error { c.of.open--; return c.Object.Close() }

// TestOutcomesAreFoundAgain writes random outcomes of random sizes into random segments. The
// last one of each item is found, in any order, with few segments open.
func TestOutcomesAreFoundAgain(t *testing.T) {
	t.Parallel()
	const items = 60
	random := rand.New(rand.NewPCG(3, 4))
	store := &counted{Store: recordstest.NewMemory()}
	m, b := over(store), Batch{ID: "b", Items: items}
	want := make(map[int]Outcome)
	for segment := range 9 {
		var lines [][]byte
		for range random.IntN(20) {
			// Around the size of a buffer, and of two.
			size := []int{0, 100, 64<<10 - 100 + random.IntN(120), 128<<10 - 100 + random.IntN(120)}[random.IntN(4)]
			out := Outcome{Item: random.IntN(items), Status: jobs.StatusSucceeded, Job: fmt.Sprint(segment), Model: strings.Repeat("m", size)}
			raw, err := json.Marshal(out)
			require.NoError(t, err)
			lines, want[out.Item] = append(lines, raw), out
		}
		b.Outputs = append(b.Outputs, put(t, store, fmt.Sprint("out-", segment), lines...))
	}
	places, err := m.locate(t.Context(), b)
	require.NoError(t, err)
	require.Zero(t, store.open)
	lines := m.newPicker(b)
	order := random.Perm(items)
	for _, item := range append(order, slices.Sorted(slices.Values(order))...) {
		require.Equal(t, want[item].Job != "", places[item].bytes > 0)
		if places[item].bytes == 0 {
			continue
		}
		out, err := lines.line(t.Context(), places[item])
		require.NoError(t, err)
		require.Equal(t, want[item], out)
		require.LessOrEqual(t, store.open, maxOpened)
	}
	lines.close()
	require.Zero(t, store.open)
}

func TestASegmentIsReadOnce(t *testing.T) {
	t.Parallel()
	store := &counted{Store: recordstest.NewMemory()}
	m := over(store)
	b := Batch{ID: "b", Items: 5, Shared: Item{Task: "t"}}
	b.Inputs = append(b.Inputs, put(t, store, "one", []byte(`{"name":"0"}`), []byte(`{"name":"1"}`)),
		put(t, store, "two", []byte(`{"name":"2"}`)),
		put(t, store, "three", []byte(`{"name":"3"}`), []byte(`{"name":"4"}`)))
	items := m.newReader(b)
	for i := range 5 {
		one, err := items.item(t.Context(), i)
		require.NoError(t, err)
		require.Equal(t, Item{Name: fmt.Sprint(i), Task: "t"}, one)
	}
	require.Equal(t, 3, store.opened)
	for _, i := range []int{4, 3, 1, 0, 2, 1} {
		one, err := items.item(t.Context(), i)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), one.Name)
	}
	require.Equal(t, 6, store.opened)
	_, err := items.item(t.Context(), 5)
	require.ErrorContains(t, err, "batch b has no item 5")
	items.close()
	_, err = items.item(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 7, store.opened)
	require.Zero(t, store.open)

	// A second draft pipelined over one store answers each opening once.
	lines := m.newPicker(Batch{Outputs: b.Inputs})
	defer lines.close()
	for range 3 {
		_, err := lines.segment(t.Context(), 1)
		require.NoError(t, err)
	}
	require.Equal(t, 8, store.opened)
}

// cut is a store whose objects end with a fault after some bytes.
type cut struct {
	records.Store
	after int64
}

var errCut = services.Faultf(services.KindUnavailable, "the connection was cut")

func (c cut) Object(ctx context.Context, name string) (records.Object, error) {
	object, err := c.Store.Object(ctx, name)
	return &cutObject{object, c.after}, err
}

type cutObject struct {
	records.Object
	left int64
}

func (c *cutObject) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errCut
	}
	n, err := c.Object.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

func TestDamagedSegmentsAreReported(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	m := over(store)
	good := put(t, store, "good", []byte(`{"item":0,"status":"failed"}`))
	for name, c := range map[string]struct {
		segment Segment
		want    string
	}{
		"lost":        {Segment{Object: "lost", Items: 1}, "the object lost is lost"},
		"no outcome":  {put(t, store, "text", []byte("text")), "a line of segment text cannot be read"},
		"not below 0": {put(t, store, "minus", []byte(`{"item":-1,"status":"x"}`)), "a line of segment minus cannot be read"},
		"beyond":      {put(t, store, "beyond", []byte(`{"item":1,"status":"x"}`)), "a line of segment beyond cannot be read"},
	} {
		_, err := m.locate(t.Context(), Batch{Items: 1, Outputs: []Segment{good, c.segment}})
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, services.KindInternal, services.KindOf(err), name)
	}
	require.NoError(t, records.PutObject(t.Context(), store, "unended", strings.NewReader(`{"item":0,"status":"fa`)))
	_, err := m.locate(t.Context(), Batch{Items: 1, Outputs: []Segment{{Object: "unended"}}})
	require.ErrorContains(t, err, "segment unended cannot be read")

	lines := m.newPicker(Batch{Outputs: []Segment{good, {Object: "lost"}}})
	_, err = lines.line(t.Context(), place{segment: 1, bytes: 5})
	require.ErrorContains(t, err, "the object lost is lost")
	_, err = lines.line(t.Context(), place{segment: 0, bytes: 500})
	require.ErrorContains(t, err, "segment good cannot be read")
	_, err = lines.line(t.Context(), place{segment: 0, bytes: 5})
	require.Error(t, err, "half a line")
	_, err = lines.line(t.Context(), place{segment: 0, bytes: 5, at: -1})
	require.Error(t, err, "the place does not exist")

	b := Batch{ID: "b", Items: 3, Inputs: []Segment{put(t, store, "odd", []byte("1"), []byte("{}"))}}
	_, err = m.newReader(b).item(t.Context(), 0)
	require.ErrorContains(t, err, "item 0 of batch b cannot be read")
	b.Inputs[0].Items = 3
	_, err = m.newReader(b).item(t.Context(), 0)
	require.ErrorContains(t, err, "segment odd has 2 lines instead of 3")
	b.Inputs[0].Object = "lost"
	_, err = m.newReader(b).item(t.Context(), 0)
	require.ErrorContains(t, err, "the object lost is lost")

	for after := range good.Bytes {
		faulty := over(cut{store, after})
		_, err = faulty.locate(t.Context(), Batch{Items: 1, Outputs: []Segment{good}})
		require.ErrorIs(t, err, errCut)
		require.Equal(t, services.KindUnavailable, services.KindOf(err), "it may be read later")
		_, err = readObject(t.Context(), faulty.store, "good")
		require.ErrorIs(t, err, errCut)
		_, err = faulty.newPicker(Batch{Outputs: []Segment{good}}).line(t.Context(), place{0, uint32(good.Bytes), 0})
		require.ErrorIs(t, err, errCut)
	}
	stop := errors.New("stop")
	require.ErrorIs(t, m.scan(t.Context(), good, func([]byte, int64, int64) error { return stop }), stop)
	require.ErrorIs(t, lost("x", io.ErrNoProgress), io.ErrNoProgress)
	require.NoError(t, lost("x", nil))
}
