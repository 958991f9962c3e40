package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// niceness returns how many threads of the process have each value of nice.
func niceness(t *testing.T) map[int]int {
	t.Helper()
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	require.NoError(t, err)
	count := make(map[int]int)
	for _, name := range stats {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		// The fields after the name in parentheses begin with the third; nice is the 19th.
		fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
		nice, err := strconv.Atoi(fields[19-3])
		require.NoError(t, err)
		count[nice]++
	}
	return count
}

// TestAdditionalThreadsOfASessionInTheBackgroundGiveWay is not parallel because other
// sessions have threads too.
func TestAdditionalThreadsOfASessionInTheBackgroundGiveWay(t *testing.T) {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	lowest := min(20-raw+lowerBy, 19) // the system call returns 20 less the value
	var before, after map[int]int
	for _, background := range []bool{false, true} {
		before = niceness(t)
		s, err := engine.OpenSession(Graph{Name: "tiny", Path: modelPath}, speech, SessionConfig{Threads: 4, Background: background})
		require.NoError(t, err)
		outputs, err := s.Run(t.Context(), samples(t, 1))
		require.NoError(t, err)
		outputs["logits"].Close()
		after = niceness(t)
		lowered := after[lowest] - before[lowest]
		if background {
			// The thread that opened the session has the priority too. It ends soon, unless it is
			// the first of the process. Threads of earlier sessions may be ending.
			require.Eventually(t, func() bool { return niceness(t)[lowest] >= 3 }, 20*time.Second, time.Millisecond)
		} else {
			require.LessOrEqual(t, lowered, 0, fmt.Sprint(before, after))
		}
		require.NoError(t, s.Close())
	}
}
