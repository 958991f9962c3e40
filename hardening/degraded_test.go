package hardening

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestADegradedServiceIsReadyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, true)
		w.change(func() {
			w.success = time.Now()
			w.runs = []services.Run{{Task: "1", Started: time.Now(), Progressed: time.Now()}}
		})
		time.Sleep(100 * time.Second)
		require.Equal(t, services.StateDegraded, w.State())
		w.change(func() { w.runs = nil })
		time.Sleep(3 * interval)
		require.Equal(t, services.StateReady, w.State(), w.takeSteps())
	})
}

func TestTheLongestSilenceCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, true)
		began := time.Now()
		w.change(func() {
			w.runs = []services.Run{
				{Task: "hung", Started: began, Progressed: began},
				{Task: "lively", Started: began, Progressed: began.Add(95 * time.Second)},
			}
		})
		time.Sleep(100 * time.Second)
		require.Equal(t, services.StateDegraded, w.State(), w.takeSteps())
	})
}

func TestADegradedServiceWithAnOpenBreakerStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, false)
		w.change(func() { w.success = time.Now().Add(time.Hour) })
		for range 2 {
			require.Error(t, w.guard.Do(context.Background(), always(errService)))
		}
		time.Sleep(3 * interval)
		require.Equal(t, services.StateDegraded, w.State(), w.takeSteps())
	})
}
