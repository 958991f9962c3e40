package batches

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// TestStatesAreThoseThatWereSet sets random states and compares them with a list.
func TestStatesAreThoseThatWereSet(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for items := 1; items < 20; items++ {
		states, want := newStates(items), make([]state, items)
		require.Len(t, states, (items+3)/4)
		for range 100 {
			item, to := random.IntN(items), state(random.IntN(4))
			states.set(item, to)
			want[item] = to
			var counts [4]int
			for i, one := range want {
				require.Equal(t, one, states.at(i))
				counts[one]++
			}
			counts[stateOpen] += len(states)*4 - items
			require.Equal(t, counts, states.counts())
		}
	}
	for _, status := range jobs.Statuses() {
		if status.Terminal() {
			require.Equal(t, status, stateOf(status).status())
		} else {
			require.Equal(t, stateOpen, stateOf(status))
		}
	}
	require.Equal(t, jobs.Status(""), stateOpen.status())
	for _, status := range Statuses() {
		require.Equal(t, status != StatusRunning, status.Terminal())
	}
}

func TestAnItemHasWhatItLacksFromTheBatch(t *testing.T) {
	t.Parallel()
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	for name, c := range map[string]struct{ item, shared, want Item }{
		"nothing":         {},
		"its own task":    {Item{Task: "a"}, Item{Task: "b", Service: "s"}, Item{Task: "a"}},
		"its own service": {Item{Service: "a"}, Item{Task: "b", Service: "s"}, Item{Service: "a"}},
		"the shared task": {Item{Name: "n"}, Item{Task: "b", Service: "s"}, Item{Name: "n", Task: "b", Service: "s"}},
		"its own params":  {Item{Params: raw(`{"a":1}`)}, Item{}, Item{Params: raw(`{"a":1}`)}},
		"shared params":   {Item{}, Item{Params: raw(`{"a":1}`)}, Item{Params: raw(`{"a":1}`)}},
		"merged params":   {Item{Params: raw(`{"a":1}`)}, Item{Params: raw(`{"a":2,"b":3}`)}, Item{Params: raw(`{"a":1,"b":3}`)}},
		"its own labels":  {Item{Labels: map[string]string{"a": "1"}}, Item{}, Item{Labels: map[string]string{"a": "1"}}},
		"shared labels":   {Item{}, Item{Labels: map[string]string{"a": "1"}}, Item{Labels: map[string]string{"a": "1"}}},
		"overriding label": {
			Item{Labels: map[string]string{"a": "1"}}, Item{Labels: map[string]string{"a": "2", "b": "3"}},
			Item{Labels: map[string]string{"a": "1", "b": "3"}},
		},
	} {
		got, err := c.item.with(c.shared)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
	shared := Item{Params: raw(`{"a":1}`), Labels: map[string]string{"a": "1"}}
	_, err := Item{Params: raw(`[]`), Labels: map[string]string{"b": "2"}}.with(shared)
	require.ErrorContains(t, err, "params must be a JSON object")
	require.Equal(t, map[string]string{"a": "1"}, shared.Labels, "what is shared does not change")
	_, err = Item{Params: raw(`{}`)}.with(Item{Params: raw(`1`)})
	require.ErrorContains(t, err, "params must be a JSON object")
}

func TestTheEndOfABatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cancelled bool
		states    string
		want      Status
	}{
		{false, "s", StatusSucceeded},
		{false, "ssf", StatusFailed},
		{false, "sfc", StatusFailed},
		{false, "sc", StatusCancelled},
		{true, "s", StatusSucceeded},
		{true, "sf", StatusFailed},
		{true, "sc", StatusCancelled},
		{true, "sfc", StatusCancelled},
	} {
		b := Batch{
			States: newStates(len(c.states)), CancelRequested: c.cancelled, Claim: &Claim{},
			Callback: &jobs.Callback{State: jobs.CallbackWaiting, Deliveries: make([]jobs.Delivery, 2)},
		}
		for i, one := range c.states {
			b.States.set(i, map[rune]state{'s': stateSucceeded, 'f': stateFailed, 'c': stateCancelled}[one])
		}
		b.conclude()
		require.Equal(t, c.want, b.Status, c)
		require.WithinDuration(t, time.Now(), b.Finished, time.Minute)
		require.Equal(t, time.UTC, b.Finished.Location())
		require.Nil(t, b.Claim)
		require.False(t, b.CancelRequested)
		require.Equal(t, &jobs.Callback{State: jobs.CallbackPending, Deliveries: make([]jobs.Delivery, 2), Earlier: 2}, b.Callback)
	}
	b := Batch{States: newStates(1)}
	b.conclude()
	require.Nil(t, b.Callback)
}

func TestAnEndBeforeTheRetryIsStale(t *testing.T) {
	t.Parallel()
	retried := time.Unix(1000, 0)
	for _, c := range []struct {
		status jobs.Status
		at     time.Duration
		all    bool
		want   bool
	}{
		{jobs.StatusFailed, -1, false, true},
		{jobs.StatusFailed, 0, false, false},
		{jobs.StatusFailed, 1, true, false},
		{jobs.StatusCancelled, -1, false, true},
		{jobs.StatusSucceeded, -1, false, false},
		{jobs.StatusSucceeded, -1, true, true},
		{jobs.StatusSucceeded, 0, true, false},
		{jobs.StatusRunning, -1, true, false},
		{jobs.StatusQueued, -1, false, false},
	} {
		b := Batch{Retried: retried, RetriedAll: c.all}
		require.Equal(t, c.want, b.isStale(&jobs.Job{Status: c.status, Finished: retried.Add(c.at)}), c)
	}
}

func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	for want, values := range map[string][]Config{
		"": {
			{Window: 1, MaxItems: 1, Retention: RetentionConfig{time.Minute, services.MiB}},
			{Window: 10_000, MaxItems: 1_000_000, Retention: RetentionConfig{time.Minute, services.MiB}},
		},
		"window: must be 1 to 10000, got ": {
			{Window: 0, MaxItems: 1, Retention: RetentionConfig{time.Minute, services.MiB}},
			{Window: 10_001, MaxItems: 1, Retention: RetentionConfig{time.Minute, services.MiB}},
		},
		"maxItems: must be 1 to 1000000, got ": {
			{Window: 1, MaxItems: 0, Retention: RetentionConfig{time.Minute, services.MiB}},
			{Window: 1, MaxItems: 1_000_001, Retention: RetentionConfig{time.Minute, services.MiB}},
		},
		"retention.maxAge: must be at least 1m, got ": {
			{Window: 1, MaxItems: 1, Retention: RetentionConfig{time.Minute - 1, services.MiB}},
		},
		"retention.maxBytes: must be at least 1MiB, got ": {
			{Window: 1, MaxItems: 1, Retention: RetentionConfig{time.Minute, services.MiB - 1}},
		},
	} {
		for _, cfg := range values {
			errs := cfg.Validate()
			if want == "" {
				require.Empty(t, errs)
				continue
			}
			require.Len(t, errs, 1)
			require.ErrorContains(t, errs[0], want)
		}
	}
}

func TestTheIDOfARecording(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"":                             true,
		strings.Repeat("0a", 32):       true,
		strings.Repeat("0a", 31):       false,
		strings.Repeat("0a", 33):       false,
		strings.Repeat("0", 63) + "g":  false,
		strings.Repeat("0", 63) + " ":  false,
		strings.Repeat("0a", 31) + "b": false,
	} {
		id, err := parseAudioID(text)
		if !ok {
			require.Equal(t, services.KindInvalid, services.KindOf(err), text)
			require.ErrorContains(t, err, "audio_id must be the id of a stored recording")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, text, id.String())
	}
}

// TestTheSoundsOfAnOutcome are those that it lists and those that its result names, each once.
func TestTheSoundsOfAnOutcome(t *testing.T) {
	t.Parallel()
	one, two, three := strings.Repeat("01", 32), strings.Repeat("02", 32), strings.Repeat("03", 32)
	ids := soundIDs(Outcome{
		Sounds: []jobs.Sound{{AudioID: one}, {AudioID: two}, {AudioID: one}, {AudioID: "bad"}},
		Result: json.RawMessage(fmt.Sprintf(`{"audio_id":"%s","more":[{"audio_id": "%s"},{"audio_id":"x"},{"other":"%s"}]}`, two, three,
			strings.Repeat("04", 32))),
	})
	var texts []string
	for _, id := range ids {
		texts = append(texts, id.String())
	}
	require.Equal(t, []string{one, two, three}, texts)
	require.Empty(t, soundIDs(Outcome{}))
}

func TestTheOutcomeOfAJob(t *testing.T) {
	t.Parallel()
	job := jobs.Job{
		ID: "j", Batch: "b", Item: 3, Service: "s", Task: "t", Model: "m", Status: jobs.StatusFailed, Attempts: make([]jobs.Attempt, 2),
		Started: time.Unix(1, 0), Finished: time.Unix(2, 0), Failure: &jobs.Failure{Message: "no"},
	}
	want := Outcome{
		Item: 3, Status: jobs.StatusFailed, Job: "j", Service: "s", Task: "t", Model: "m", Attempts: 2,
		Started: time.Unix(1, 0), Finished: time.Unix(2, 0), Failure: &jobs.Failure{Message: "no"},
	}
	require.Equal(t, want, outcomeOf(job))
	more := []jobs.Sound{{AudioID: "2"}}
	job.Result = &jobs.Result{
		Model: "other", AudioID: "1", ContentType: "audio/wav", AudioBytes: 7, More: more, Warnings: []services.Warning{{Code: "x"}},
	}
	require.Equal(t, want, outcomeOf(job), "of an earlier attempt")
	job.Status = jobs.StatusSucceeded
	want.Status, want.Failure, want.Model, want.Warnings = jobs.StatusSucceeded, nil, "other", []services.Warning{{Code: "x"}}
	want.Sounds = []jobs.Sound{{AudioID: "1", ContentType: "audio/wav", AudioBytes: 7}, {AudioID: "2"}}
	require.Equal(t, want, outcomeOf(job))
	job.Result = &jobs.Result{More: more}
	want.Model, want.Warnings, want.Sounds = "m", nil, nil
	require.Equal(t, want, outcomeOf(job))
	job.Result = nil
	want.Failure = &jobs.Failure{Message: "no"}
	require.Equal(t, want, outcomeOf(job))

	refused := refusal(4, &jobs.Failure{Message: "no"})
	require.WithinDuration(t, time.Now(), refused.Finished, time.Minute)
	refused.Finished = time.Time{}
	require.Equal(t, Outcome{Item: 4, Status: jobs.StatusFailed, Failure: &jobs.Failure{Message: "no"}}, refused)

	sounding := Result{
		Request: Item{Params: json.RawMessage(`{}`)},
		Outcome: Outcome{Job: "j", Task: "t", Model: "m", Sounds: []jobs.Sound{{AudioID: "1", ContentType: "audio/wav", AudioBytes: 7}, {}}},
	}
	require.Equal(t, jobs.Job{
		ID: "j", Task: "t", Params: json.RawMessage(`{}`),
		Result: &jobs.Result{Model: "m", AudioID: "1", ContentType: "audio/wav", AudioBytes: 7},
	}, sounding.AsJob())
	sounding.Sounds = nil
	require.Equal(t, &jobs.Result{Model: "m"}, sounding.AsJob().Result)
}

func TestTheReasonOfARefusal(t *testing.T) {
	t.Parallel()
	require.Equal(t, &jobs.Failure{Kind: services.KindInternal, Message: "failed unexpectedly"}, failureOf(errors.New("secret")))
	fault := services.Invalidf("say", "is missing")
	require.Equal(t, &jobs.Failure{Kind: services.KindInvalid, Message: "say is missing", Fields: fault.Fields},
		failureOf(fmt.Errorf("secret: %w", fault)))
}

// TestAFaultNamesTheItem has faults of a request as faults of one item of a batch.
func TestAFaultNamesTheItem(t *testing.T) {
	t.Parallel()
	d := &Draft{}
	field := func(name, problem string) services.FieldError {
		return services.FieldError{Field: name, Problem: problem}
	}
	one := func(name, problem string) []services.FieldError { return []services.FieldError{field(name, problem)} }
	for name, c := range map[string]struct {
		line int
		err  *services.Fault
		want []services.FieldError
	}{
		"a parameter":        {0, services.Invalidf("say", "is bad"), []services.FieldError{field("items[5].params.say", "is bad")}},
		"of a line":          {7, services.Invalidf("say", "is bad"), []services.FieldError{field("items[5].params.say", "line 7: is bad")}},
		"its labels":         {1, services.Invalidf("labels.a", "is long"), one("items[5].labels.a", "line 1: is long")},
		"its own parameters": {0, services.Invalidf("params.a", "is long"), []services.FieldError{field("items[5].params.a", "is long")}},
		"all items":          {3, services.Invalidf("items", "are many"), []services.FieldError{field("items", "line 3: are many")}},
		"a recording":        {0, services.Invalidf("file", "is short"), []services.FieldError{field("items[5].audio_id", "is short")}},
		"a recording's absence": {0, services.Invalidf("file", "is missing here"), one(
			"items[5].audio_id", "is missing; name a stored recording, or send files as parts audio of a form")},
		"no field": {2, services.Faultf(services.KindNotFound, "no model"), one("items[5]", "line 2: no model")},
		"two fields": {
			0, &services.Fault{Kind: services.KindInvalid, Fields: append(one("a", "x"), one("task", "y")...)},
			append(one("items[5].params.a", "x"), one("items[5].task", "y")...),
		},
	} {
		before := slices.Clone(c.err.Fields)
		var got *services.Fault
		require.ErrorAs(t, d.fault(5, c.line, fmt.Errorf("check: %w", c.err)), &got, name)
		require.Equal(t, c.want, got.Fields, name)
		require.Equal(t, services.KindInvalid, got.Kind)
		require.Empty(t, got.Message)
		require.Equal(t, before, c.err.Fields, "the original stays as it was")
	}
	for _, err := range []error{
		errors.New("broken"), services.Faultf(services.KindUnavailable, "later"), services.Faultf(services.KindFull, "full"),
	} {
		require.Equal(t, err, d.fault(5, 1, err))
	}
	for _, one := range ownFields {
		var got *services.Fault
		require.ErrorAs(t, d.fault(0, 0, services.Invalidf(one, "is bad")), &got)
		require.Equal(t, "items[0]."+one, got.Fields[0].Field)
	}
}

func TestAFaultOfARecordingConcernsItAlone(t *testing.T) {
	t.Parallel()
	two := func(a, b *services.Fault) *services.Fault { a.Fields = append(a.Fields, b.Fields...); return a }
	for _, c := range []struct {
		fault *services.Fault
		want  bool
	}{
		{services.Faultf(services.KindUnsupported, "odd"), true},
		{services.Faultf(services.KindTooLarge, "long"), true},
		{services.Faultf(services.KindInvalid, "bad"), false},
		{services.Invalidf("file", "is empty"), true},
		{services.Invalidf("audio_id", "is empty"), true},
		{services.Invalidf("file", "is missing"), false},
		{services.Invalidf("audio_id", "is missing"), false},
		{services.Invalidf("say", "is empty"), false},
		{two(services.Invalidf("file", "is empty"), services.Invalidf("audio_id", "is odd")), true},
		{two(services.Invalidf("file", "is empty"), services.Invalidf("say", "is odd")), false},
		{two(services.Invalidf("say", "is empty"), services.Invalidf("file", "is odd")), false},
	} {
		require.Equal(t, c.want, concernsRecording(c.fault), c.fault)
	}
}

func TestJoinedFaultsNameAllFields(t *testing.T) {
	t.Parallel()
	var got *services.Fault
	require.ErrorAs(t, joinFaults([]error{services.Invalidf("a", "x"), fmt.Errorf("y: %w", services.Invalidf("b", "z"))}), &got)
	require.Equal(t, []services.FieldError{{Field: "a", Problem: "x"}, {Field: "b", Problem: "z"}}, got.Fields)
	require.Equal(t, services.KindInvalid, got.Kind)
	broken := errors.New("broken")
	require.ErrorIs(t, joinFaults([]error{services.Invalidf("a", "x"), broken}), broken)
}

func TestTheSizeOfABatch(t *testing.T) {
	t.Parallel()
	b := Batch{Inputs: []Segment{{"a", 1, 10}, {"b", 1, 20}}, Outputs: []Segment{{"c", 1, 300}}}
	require.EqualValues(t, 330, b.bytes())
	require.Equal(t, []string{"a", "b", "c"}, b.objects())
	require.Zero(t, Batch{}.bytes())
	require.Equal(t, 6, Counts{Pending: 10, Queued: 20, Running: 30, Succeeded: 1, Failed: 2, Cancelled: 3}.Ended())
	require.NotEqual(t, keyedID("a", "bc"), keyedID("ab", "c"))
	require.Equal(t, keyedID("a", "b"), keyedID("a", "b"))
	require.Len(t, keyedID("a", "b"), len("batch-")+32)
}
