package tasks

import (
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// Limits of windows of frames in seconds.
const (
	minFrameWindow = 0.05
	minFrameHop    = 0.02
	maxFrameWindow = 10
	maxFrameTracks = 16
)

// CheckFrames adds a complaint for every invalid parameter about frames.
func CheckFrames(p EmbedParams, bad *services.Complaints) {
	if len(p.FrameWindows) > maxFrameTracks {
		bad.Complain("frame_windows", "must be at most %d, got %d", maxFrameTracks, len(p.FrameWindows))
	}
	for _, length := range p.FrameWindows {
		if !(length >= minFrameWindow && length <= maxFrameWindow) {
			bad.Complain("frame_windows", "must be from %v to %d, got %v", minFrameWindow, maxFrameWindow, length)
		}
	}
	if h := p.FrameHop; h != nil && !(*h >= minFrameHop && *h <= maxFrameWindow) {
		bad.Complain("frame_hop", "must be from %v to %d, got %v", minFrameHop, maxFrameWindow, *h)
	}
	if !p.Frames && (len(p.FrameWindows) > 0 || p.FrameHop != nil) {
		bad.Complain("frames", "must be true for frame_windows and frame_hop to have an effect")
	}
}

// Sliding returns the lengths of the requested windows of frames and the time between
// two, in seconds, with their defaults.
func (p EmbedParams) Sliding() (windows []float64, hop float64) {
	windows, hop = p.FrameWindows, DefaultFrameHop
	if len(windows) == 0 {
		windows = []float64{DefaultFrameWindow}
	}
	if p.FrameHop != nil {
		hop = *p.FrameHop
	}
	return windows, hop
}

// FrameCount returns the number of windows in a recording of the given length, for all
// requested lengths together.
func (p EmbedParams) FrameCount(seconds float64) (n int64) {
	windows, hop := p.Sliding()
	for _, length := range windows {
		n += 1 + int64(math.Max(0, math.Ceil((seconds-length)/hop)))
	}
	return n
}
