package services

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestComplaintsAreOneFault(t *testing.T) {
	t.Parallel()
	var bad Complaints
	bad.Check(true, "steps", "must be %d", 1)
	require.NoError(t, bad.Err())
	require.Nil(t, bad.Fault())
	bad.Check(false, "steps", "must be at most %d", 500)
	bad.Complain("steps", "must be at most 500")
	bad.Complain("eta", "goes with ddim only")
	var fault *Fault
	require.ErrorAs(t, bad.Err(), &fault)
	require.Equal(t, &Fault{Kind: KindInvalid, Fields: []FieldError{{"steps", "must be at most 500"}, {"eta", "goes with ddim only"}}}, fault)
}
