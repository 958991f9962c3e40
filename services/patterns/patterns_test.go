package patterns

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func TestAPatternIsTaughtAndFound(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(1)
	bell := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "bell", Examples: b.spans(r, doorbell, 5)}, nil)
	knocks := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "knock", Examples: b.spans(r, knock, 5)}, nil)
	t.Logf("%+v %+v", bell.Threshold, *bell.SelfTest)
	t.Logf("%+v %+v", knocks.Threshold, *knocks.SelfTest)
	require.Empty(t, bell.Advice)
	recording, events := scene(r, doorbell, siren, knock, whistle, doorbell, knock, siren, doorbell, whistle, knock, doorbell)
	result := runAs[tasks.Detections](b, tasks.Detect, tasks.DetectParams{}, recording.source())
	for _, d := range result.Detections {
		t.Logf("%+v", d)
	}
	hits, wrong, all := found(result.Detections, "bell", events, doorbell)
	require.Equal(t, []int{4, 0, 4}, []int{hits, wrong, all})
	hits, wrong, all = found(result.Detections, "knock", events, knock)
	require.Equal(t, []int{3, 0, 3}, []int{hits, wrong, all})
}
