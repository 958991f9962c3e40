package wav2vec2

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestWindowsOfFramesAreMeansOfPyTorchsFrames compares every window with the mean of the
// frames that it covers.
func TestWindowsOfFramesAreMeansOfPyTorchsFrames(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	golden := readTorch(t, "features-group")
	frames, width := golden.Shape[1], golden.Shape[2]
	for _, processing := range []string{"", `,"window_seconds":1`} {
		params := `{"pooling":"none","frames":true,"frame_windows":[0.2,0.5,9],"frame_hop":0.11` + processing + `}`
		result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, "features-group", params, golden.Clip),
			services.DiscardSink{})
		require.NoError(t, err)
		got := result.Value.(*tasks.Embedding)
		require.Equal(t, tasks.SpaceSound, got.Space)
		require.Len(t, got.Frames, frames)
		require.Len(t, got.FrameEmbeddings, 3)
		for i, window := range []int{10, 25, 450} {
			track := got.FrameEmbeddings[i]
			require.InDelta(t, float64(window)*0.02, track.Window, 1e-9)
			require.InDelta(t, 0.12, track.Hop, 1e-9, "half a frame is rounded up")
			count := max(1, (frames-window)/6+1)
			if window > frames {
				count, window = 1, frames
			}
			require.Len(t, track.Embeddings, count)
			for n, vector := range track.Embeddings {
				for d, v := range vector {
					sum := 0.0
					for f := range window {
						if processing == "" {
							sum += golden.Values[(n*6+f)*width+d]
							continue
						}
						sum += float64(got.Frames[n*6+f][d]) // at the edges they see less context than the golden ones
					}
					require.InDelta(t, sum/float64(window), float64(v), 2e-4)
				}
			}
		}
	}
}

func TestWindowsOfFramesHaveLimits(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	for params, says := range map[string]string{
		`{"frames":true,"frame_windows":[0.01]}`: "frame_windows must be from 0.05 to 10, got 0.01",
		`{"frames":true,"frame_hop":0}`:          "frame_hop must be from 0.02 to 10, got 0",
		`{"frame_hop":1}`:                        "frames must be true for frame_windows and frame_hop to have an effect",
		`{"space":"caption"}`:                    "space must be sound",
	} {
		_, err := s.Prepare(t.Context(), headTask(tasks.Embed, "features-group", params, "clip09.wav"))
		require.ErrorContains(t, err, says)
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	}
	sliding := newSlides(tasks.EmbedParams{Frames: true}, 1024, 0.02)
	sliding.most = 3 * 1024
	require.True(t, sliding.add(make([]float32, 100*1024)), "three windows")
	require.False(t, sliding.add(make([]float32, 25*1024)), "a fourth")
}
