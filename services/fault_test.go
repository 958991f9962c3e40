package services

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		kind    Kind
		service bool
	}{
		{nil, "", false},
		{errors.New("anything"), KindInternal, true},
		{fmt.Errorf("run: %w", context.Canceled), KindCancelled, false},
		{fmt.Errorf("run: %w", context.DeadlineExceeded), KindTimeout, true},
		{fmt.Errorf("run: %w", Invalidf("x", "is bad")), KindInvalid, false},
		{Internal(context.Canceled, "it failed"), KindInternal, true},
		{Faultf(KindBusy, "full"), KindBusy, false},
	} {
		require.Equal(t, c.kind, KindOf(c.err))
		require.Equal(t, c.service, IsServiceFault(c.err))
	}
	require.Equal(t, OutcomeSuccess, OutcomeOf(nil))
	require.Equal(t, Outcome("busy"), OutcomeOf(Faultf(KindBusy, "full")))
	require.Len(t, Outcomes(), len(Kinds())+1)
	require.Equal(t, KindCancelled, KindOf(Unreadable(fmt.Errorf("open: %w", context.Canceled))), "a copy that was cut off")
	require.Equal(t, KindUnavailable, KindOf(Unreadable(Faultf(KindUnavailable, "the store is down"))))
	require.Equal(t, "the upload could not be read: no such file", Unreadable(errors.New("no such file")).Error())
	require.True(t, IsTransient(fmt.Errorf("x: %w", &Fault{Transient: true})))
	require.False(t, IsTransient(errors.New("x")))
}

func TestFaultShowsFieldsToTheClientAndTheCauseToTheLog(t *testing.T) {
	t.Parallel()
	f := &Fault{Kind: KindInvalid, Message: "no", Fields: []FieldError{{"a", "is bad"}, {"b", "is worse"}}, Err: errors.New("secret")}
	require.Equal(t, "no; a is bad; b is worse", f.Detail())
	require.Equal(t, "no; a is bad; b is worse: secret", f.Error())
	require.Equal(t, "busy", (&Fault{Kind: KindBusy}).Detail())
}

func TestNamesOfPrioritiesAndBytes(t *testing.T) {
	t.Parallel()
	for _, p := range []Priority{PriorityHigh, PriorityNormal, PriorityLow} {
		got, err := ParsePriority(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParsePriority("urgent")
	require.ErrorContains(t, err, `priority must be high, normal or low, got "urgent"`)
	for want, b := range map[string]Bytes{"5 B": 5, "1.0 KiB": KiB, "4.5 MiB": 4*MiB + 512*KiB, "2.00 GiB": 2 * GiB} {
		require.Equal(t, want, b.String())
	}
}

func TestRecorderCountsAndRanks(t *testing.T) {
	t.Parallel()
	var r Recorder
	for i := range 1000 {
		r.Record(nil, time.Duration(i)*time.Millisecond)
	}
	r.Record(Invalidf("x", "is bad"), 0)
	r.Record(errors.New("broken"), 0)
	m := r.Metrics()
	require.Equal(t, map[Outcome]uint64{OutcomeSuccess: 1000, "invalid": 1, "internal": 1}, m.Tasks)
	// The latest 512 latencies: 490 to 999 ms, and the two failures.
	require.InDelta(t, 743*time.Millisecond, m.LatencyP50, float64(2*time.Millisecond))
	require.InDelta(t, 994*time.Millisecond, m.LatencyP99, float64(2*time.Millisecond))
	lastError, lastSuccess := r.Last()
	require.Equal(t, "broken", lastError, "bad input is not the service's error")
	require.False(t, lastSuccess.IsZero())
}
