package gama

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const first, all = "What do you hear first?", "What can be heard in this clip?"

// everybody is a caller without keys.
var everybody = services.Caller{All: true}

var longTone = audiofile.Tone(16000, 11*time.Second)

func TestAConversationSurvivesARestart(t *testing.T) {
	t.Parallel()
	store := newShelf()
	s := newService(t, store)
	info, err := s.CreateContext(t.Context(), everybody, services.NewContext{Audio: clipFile("clip00.wav")})
	require.NoError(t, err)
	require.Equal(t, "gama-tiny", info.Model)
	ask := func(s *Service, question string) *tasks.Answer {
		answer := s.answerTo(t, nil, tasks.AskParams{Question: question, ContextID: info.ID})
		require.Equal(t, info.ID, answer.ContextID)
		return answer
	}
	require.Equal(t, "A bell.", ask(s, first).Text)
	again := ask(s, all)
	require.Equal(t, "I hear a bell, then a siren.", again.Text)
	require.GreaterOrEqual(t, again.Usage.CachedTokens, 17, "the sound is not read again")

	// The only effect of an eviction is that work is repeated.
	s.contexts.forget()
	cold := ask(s, all)
	require.Equal(t, again.Text, cold.Text)
	require.Zero(t, cold.Usage.CachedTokens)
	require.Equal(t, 2, store.opened, "the recording is read where its sound is not in memory")

	// The state of another version of the model is of no use to this one.
	require.Positive(t, ask(s, all).Usage.CachedTokens)
	s.contexts.all[info.ID].version = "another"
	require.Zero(t, ask(s, all).Usage.CachedTokens)
	require.Equal(t, 3, store.opened)

	restarted := newService(t, store)
	found, err := restarted.Context(t.Context(), everybody, info.ID)
	require.NoError(t, err)
	require.Len(t, found.Turns, 5)
	require.Equal(t, services.Exchange{Question: first, Answer: "A bell."}, found.Turns[0])
	require.Zero(t, found.CachedTokens)
	require.Equal(t, again.Text, ask(restarted, all).Text)

	require.NoError(t, restarted.DeleteContext(t.Context(), everybody, info.ID))
	_, err = restarted.Context(t.Context(), everybody, info.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.Empty(t, store.talks)
}

// TestAFollowUpSeesTheSameAsAFreshPrompt has a model whose prompt includes earlier
// turns: the answers with and without the cache must be equal.
func TestAFollowUpSeesTheSameAsAFreshPrompt(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	m, done, err := s.pool.Acquire(t.Context(), "gama-tiny")
	require.NoError(t, err)
	defer done()
	m.folder.Network.History = historyTurns
	answer := s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext})
	history := []services.Exchange{{Question: first, Answer: answer.Text}}
	for range 4 {
		next := s.answerTo(t, nil, tasks.AskParams{Question: all, ContextID: answer.ContextID})
		require.Greater(t, next.Usage.CachedTokens, 20)
		fresh := s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: all, History: history})
		require.Equal(t, fresh.Text, next.Text)
		require.Equal(t, fresh.Usage.PromptTokens, next.Usage.PromptTokens)
		history = append(history, services.Exchange{Question: all, Answer: next.Text})
	}
}

func TestConversationsExpireAndTheLongestUnusedGo(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf(), func(c *Config) { c.Contexts.MaxCount = 2 })
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.contexts.now = func() time.Time { return now }
	create := func() string {
		info, err := s.CreateContext(t.Context(), everybody, services.NewContext{Audio: clipFile("clip00.wav")})
		require.NoError(t, err)
		now = now.Add(time.Hour)
		return info.ID
	}
	a, b, c := create(), create(), create()
	_, err := s.Context(t.Context(), everybody, a)
	require.Equal(t, services.KindNotFound, services.KindOf(err), "two are allowed")
	list := s.conversations(t)
	require.Len(t, list, 2)
	require.Equal(t, []string{c, b}, []string{list[0].ID, list[1].ID})
	now = now.Add(23 * time.Hour)
	_, err = s.Context(t.Context(), everybody, b)
	require.ErrorContains(t, err, "expires after 24h")
	_, err = s.Context(t.Context(), everybody, c)
	require.NoError(t, err)
}

func TestMemoryOfTheLongestUnusedGoesFirst(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf(), func(c *Config) { c.Contexts.MaxMemory = 200 * services.KiB })
	var ids []string
	for range 3 {
		ids = append(ids, s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext}).ContextID)
	}
	cached := func(id string) int {
		info, err := s.Context(t.Context(), everybody, id)
		require.NoError(t, err)
		return info.CachedTokens
	}
	require.Zero(t, cached(ids[0]))
	require.Positive(t, cached(ids[2]))
}

// books counts reservations and can evict them.
type books struct {
	mu   sync.Mutex
	held map[*booking]bool
}

type booking struct {
	books *books
	name  string
	bytes services.Bytes
	evict func(context.Context) error
}

func (b *books) Hold(_ context.Context, _, name string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := &booking{b, name, bytes, evict}
	b.held[one] = true
	return one
}
func (*booking) Touch() {}
func (o *booking) Release() {
	o.books.mu.Lock()
	defer o.books.mu.Unlock()
	delete(o.books.held, o)
}

func TestConversationsAreBookedWithTheBudget(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	b := &books{held: make(map[*booking]bool)}
	s.contexts.residency = b
	answer := s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext})
	s.answerTo(t, nil, tasks.AskParams{Question: all, ContextID: answer.ContextID})
	require.Len(t, b.held, 1, "the older booking is given back")
	info, err := s.Context(t.Context(), everybody, answer.ContextID)
	require.NoError(t, err)
	for one := range b.held {
		require.Equal(t, info.CachedBytes, one.bytes)
		saved, err := s.contexts.find(t.Context(), everybody, answer.ContextID)
		require.NoError(t, err)
		saved.busy.Lock()
		require.ErrorIs(t, one.evict(t.Context()), services.ErrInUse)
		_, err = s.run(t, nil, tasks.AskParams{Question: all, ContextID: answer.ContextID}, services.DiscardSink{})
		require.Equal(t, services.KindBusy, services.KindOf(err))
		saved.busy.Unlock()
		require.NoError(t, one.evict(t.Context()))
	}
	require.Empty(t, b.held)
	info, err = s.Context(t.Context(), everybody, answer.ContextID)
	require.NoError(t, err)
	require.Zero(t, info.CachedBytes)
	require.Len(t, info.Turns, 2)
}

func TestDamagedConversationsArePassedOver(t *testing.T) {
	t.Parallel()
	store := newShelf()
	s := newService(t, store)
	const id = "ctx_000000000000000000000000"
	store.talks[id] = services.StoredContext{Record: json.RawMessage(`{`), ID: id, Expires: time.Now().Add(time.Hour), Revision: 1}
	require.Empty(t, s.conversations(t))
	_, err := s.Context(t.Context(), everybody, id)
	require.ErrorContains(t, err, "cannot be read")
	_, err = s.Context(t.Context(), everybody, "ctx_x>")
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}

// TestConversationsGoOnInAnotherProcess has two services with one store.
func TestConversationsGoOnInAnotherProcess(t *testing.T) {
	t.Parallel()
	store := newShelf()
	one, other := newService(t, store), newService(t, store)
	id := one.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext}).ContextID
	require.Equal(t, "I hear a bell, then a siren.", other.answerTo(t, nil, tasks.AskParams{Question: all, ContextID: id}).Text)
	one.answerTo(t, nil, tasks.AskParams{Question: all, ContextID: id})
	info, err := other.Context(t.Context(), everybody, id)
	require.NoError(t, err)
	require.Len(t, info.Turns, 3)
	require.Len(t, other.conversations(t), 1)

	// A question that is answered while the other process answers one.
	saved, err := one.contexts.find(t.Context(), everybody, id)
	require.NoError(t, err)
	late, record := saved.stored, saved.record
	other.answerTo(t, nil, tasks.AskParams{Question: all, ContextID: id})
	_, err = one.contexts.write(t.Context(), late, record)
	require.Equal(t, services.KindBusy, services.KindOf(err))

	require.NoError(t, other.DeleteContext(t.Context(), everybody, id))
	_, err = one.run(t, nil, tasks.AskParams{Question: all, ContextID: id}, services.DiscardSink{})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.Empty(t, one.contexts.all)
}

func TestAnAnswerThatCannotBeStoredIsAnError(t *testing.T) {
	t.Parallel()
	store := newShelf()
	s := newService(t, store)
	id := s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext}).ContextID
	store.broken = services.Faultf(services.KindFull, "no room")
	_, err := s.run(t, nil, tasks.AskParams{Question: all, ContextID: id}, services.DiscardSink{})
	require.Equal(t, services.KindFull, services.KindOf(err))
	store.broken = nil
	long := store.talks[id]
	long.Revision, long.Record = store.revision+1,
		json.RawMessage(strings.Replace(string(long.Record), first, strings.Repeat("?", maxRecord), 1))
	store.talks[id], store.revision = long, long.Revision
	_, err = s.run(t, nil, tasks.AskParams{Question: all, ContextID: id, Truncation: truncateOff}, services.DiscardSink{})
	require.ErrorContains(t, err, "begin a new one")
	raw, err := json.Marshal(tasks.AskParams{Question: all, ContextID: id})
	require.NoError(t, err)
	result, err := services.ExecuteTask(t.Context(), s, services.Task{ID: "1", Service: Name, Name: tasks.Ask, Params: raw, Caller: everybody},
		services.DiscardSink{})
	require.NoError(t, err, "a conversation goes on without its oldest turns")
	require.Equal(t, services.WarnTurnsDropped, result.Warnings[0].Code)
	info, err := s.Context(t.Context(), everybody, id)
	require.NoError(t, err)
	require.Len(t, info.Turns, 1)
	require.Equal(t, all, info.Turns[0].Question)

	nowhere := newService(t, nil)
	_, err = nowhere.ListContexts(t.Context(), everybody)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	_, err = nowhere.run(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext}, services.DiscardSink{})
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
}

// conversations returns the conversations visible to everybody.
func (s *Service) conversations(t *testing.T) []services.ContextInfo {
	t.Helper()
	list, err := s.ListContexts(t.Context(), everybody)
	require.NoError(t, err)
	return list
}

func TestAConversationHoldsOneWindow(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	file := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(file, []byte("no sound"), 0o600))
	_, err := s.CreateContext(t.Context(), everybody, services.NewContext{Audio: diskAudio(file)})
	require.Error(t, err)
	_, err = s.CreateContext(t.Context(), everybody, services.NewContext{Model: "nobody", Audio: clipFile("clip00.wav")})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = s.CreateContext(t.Context(), everybody, services.NewContext{Audio: longTone})
	require.ErrorContains(t, err, "a conversation is about at most 10.26 s")
	require.Empty(t, s.conversations(t))

	// A first question that fails must not leave a conversation behind.
	_, err = s.run(t, clipFile("clip00.wav"), tasks.AskParams{Question: strings.Repeat("why ", 600), ContextID: newContext},
		services.DiscardSink{})
	require.ErrorContains(t, err, "takes 512")
	require.Empty(t, s.conversations(t))
}

// TestAConversationRunsOnTheModelThatItBeganWith checks whose guard is used for a
// question: a failure of the conversation's model must not count against the default
// model.
func TestAConversationRunsOnTheModelThatItBeganWith(t *testing.T) {
	t.Parallel()
	store := newShelf()
	info, err := newService(t, store).CreateContext(t.Context(), everybody, services.NewContext{Audio: clipFile("clip00.wav")})
	require.NoError(t, err)
	s := newService(t, store, func(cfg *Config) { cfg.DefaultModel = "another" })
	question := func(context string) services.Task {
		return services.Task{
			Service: Name, Name: tasks.Ask, Caller: everybody,
			Params: []byte(`{"question":"What can be heard?","context_id":"` + context + `"}`),
		}
	}
	work, err := s.Prepare(t.Context(), question(info.ID))
	require.NoError(t, err)
	require.Equal(t, "gama-tiny", work.Model())
	require.Equal(t, "gama-tiny", s.ModelFor(question(info.ID)), "before it is prepared again")
	require.Equal(t, "another", s.ModelFor(question(newContext)))
	require.Equal(t, "another", s.ModelFor(question("ctx_000000000000000000000000")))
	begin := question(newContext)
	begin.Audio = clipFile("clip00.wav")
	_, err = s.Prepare(t.Context(), begin)
	require.ErrorContains(t, err, `"another" does not exist`)
}
