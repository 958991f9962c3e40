package analysis

import (
	"math"
)

// Point is a moment of a recording.
type Point struct {
	// Time in seconds.
	Time float64 `json:"time"`
	// Strength is relative to the strongest, 0 to 1.
	Strength float64 `json:"strength"`
}

// Tempo is the speed of a recording's beat; nil and empty if there is none.
type Tempo struct {
	BPM *float64 `json:"bpm"`
	// Beats are times in seconds.
	Beats []float64 `json:"beats"`
	// Confidence is how regular the onsets are at that speed, 0 to 1.
	Confidence float64 `json:"confidence"`
}

// The onset strength is the mean increase of the mel bands from one frame to the next, as
// in librosa's onset_strength: the spectral flux of Böck and Widmer (2013) without their
// maximum filter. A frame sees a sound half its length before it begins; onsetDelay
// frames correct that.
const onsetDelay = frameSamples / (2 * hopSamples)

// onsetMeter computes the onset strength of each frame.
type onsetMeter struct {
	before   [melBands]float64
	started  bool
	strength []float32
	bass     []float32 // of the lowest bands alone
}

// bassBands is the number of mel bands up to about 240 Hz, where drums that mark the beat
// are.
const bassBands = 8

func (m *onsetMeter) write(mel *[melBands]float64) {
	if !m.started {
		// Nothing increases in the first frame; those before it are the delay.
		m.started = true
		m.strength = append(m.strength, make([]float32, 1+onsetDelay)...)
		m.bass = append(m.bass, make([]float32, 1+onsetDelay)...)
		m.before = *mel
		return
	}
	var sum, bass float64
	for i, v := range mel {
		sum += max(0, v-m.before[i])
	}
	for i := range bassBands {
		// Of the amplitude: in decibels a quiet sound rises as much as a drum.
		bass += max(0, math.Pow(10, mel[i]/20)-math.Pow(10, m.before[i]/20))
	}
	m.before = *mel
	m.strength = append(m.strength, float32(sum/melBands))
	m.bass = append(m.bass, float32(bass/bassBands))
}

// envelopes returns the strengths of all frames, over all bands and of the bass.
func (m *onsetMeter) envelopes() (all, bass []float32) {
	if len(m.strength) <= onsetDelay {
		return nil, nil
	}
	n := len(m.strength) - onsetDelay
	return m.strength[:n], m.bass[:n]
}

// Onsets are local maxima that exceed the mean around them, with the constants of Böck,
// Krebs and Schedl, "Evaluating the online capabilities of onset detection methods" (2012).
const (
	onsetBefore     = 1 // frames compared for the maximum
	onsetAfter      = 0
	onsetMeanBefore = 4
	onsetMeanAfter  = 4
	onsetWait       = 1
	onsetDelta      = 0.07
	// leastOnset is the increase in decibels, meaned over the bands, below which the
	// strongest onset of a recording is none.
	leastOnset = 0.5
)

// onsets returns the peaks of an envelope.
func onsets(envelope []float32) []Point {
	points := []Point{}
	lowest, highest := bounds(envelope)
	if highest < leastOnset {
		return points
	}
	scale := highest - lowest
	last := -onsetWait - 1
	for i, v := range envelope {
		from, to := max(0, i-onsetBefore), min(len(envelope), i+onsetAfter+1)
		if _, top := bounds(envelope[from:to]); v < top || i-last <= onsetWait {
			continue
		}
		from, to = max(0, i-onsetMeanBefore), min(len(envelope), i+onsetMeanAfter+1)
		var sum float32
		for _, w := range envelope[from:to] {
			sum += w
		}
		if (v-sum/float32(to-from))/scale < onsetDelta {
			continue
		}
		last = i
		points = append(points, Point{Time: float64(i) * HopSeconds, Strength: float64((v - lowest) / scale)})
	}
	return points
}

func bounds(values []float32) (lowest, highest float32) {
	if len(values) == 0 {
		return 0, 0
	}
	lowest, highest = values[0], values[0]
	for _, v := range values {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	return lowest, highest
}

// The tempo is the period at which the onset strength repeats, with a preference for
// speeds near 120 beats a minute, and the beats are the sequence of strong onsets at that
// distance, by dynamic programming: Ellis, "Beat tracking by dynamic programming" (2007).
const (
	slowestBPM, fastestBPM = 30.0, 300.0
	preferredBPM           = 120.0
	preferredOctaves       = 0.9
	tempoWindow            = 512 // frames, 12 s
	tempoStep              = 128
	beatTightness          = 100.0
)

const (
	framesPerMinute = 60.0 * frameRateHz / hopSamples
	// mostLag is two beats at the slowest speed.
	mostLag = 2*60*frameRateHz/hopSamples/30 + 2
)

// tempo returns the tempo of an envelope and that of the bass.
func tempo(envelope, bass []float32) Tempo {
	t := Tempo{Beats: []float64{}}
	if _, highest := bounds(envelope); highest < leastOnset {
		return t
	}
	repeats := repetition(envelope)
	for i, v := range repetition(bass) {
		repeats[i] = (repeats[i] + v) / 2
	}
	period, strength := bestPeriod(repeats)
	if period == 0 {
		return t
	}
	beats := beatFrames(envelope, period)
	if len(beats) < 3 {
		return t
	}
	t.Confidence = min(1, max(0, strength))
	bpm := framesPerMinute / slope(beats, period)
	t.BPM = &bpm
	for _, beat := range beats {
		t.Beats = append(t.Beats, float64(beat)*HopSeconds)
	}
	return t
}

// repetition returns the normalized autocorrelation of an envelope by lag, the mean over
// windows of 12 s.
func repetition(envelope []float32) []float64 {
	lags := min(len(envelope)-1, mostLag)
	if lags < 2 {
		return nil
	}
	out := make([]float64, lags)
	windows := 0.0
	part := make([]float64, 0, tempoWindow)
	for from := 0; from == 0 || from+tempoWindow <= len(envelope); from += tempoStep {
		part = part[:0]
		var sum float64
		for _, v := range envelope[from:min(len(envelope), from+tempoWindow)] {
			part = append(part, float64(v))
			sum += float64(v)
		}
		var power float64
		for i := range part {
			part[i] -= sum / float64(len(part))
			power += part[i] * part[i]
		}
		if power == 0 {
			continue
		}
		windows++
		for lag := range min(lags, len(part)) {
			var product float64
			for i, v := range part[lag:] {
				product += v * part[i]
			}
			// Unbiased, so that slow speeds are not at a disadvantage.
			out[lag] += product / power * float64(len(part)) / float64(len(part)-lag)
		}
	}
	for i := range out {
		out[i] /= max(1, windows)
	}
	return out
}

// bestPeriod returns the beat's period in frames, 0 if nothing repeats, and the
// correlation at it.
func bestPeriod(repeats []float64) (period, strength float64) {
	best := 0.0
	for bpm := slowestBPM; bpm <= fastestBPM; bpm *= 1.002 {
		lag := framesPerMinute / bpm
		if 2*lag+1 >= float64(len(repeats)) {
			continue
		}
		once, twice := between(repeats, lag), between(repeats, 2*lag)
		// A period of which the half repeats as well is more than one beat, and one of which
		// the double repeats better is less.
		score := (once + 0.5*min(once, twice)) * (1 - 0.5*max(0, between(repeats, lag/2)))
		octaves := math.Log2(bpm/preferredBPM) / preferredOctaves
		score *= math.Exp(-0.5 * octaves * octaves)
		if score > best {
			best, period, strength = score, lag, once
		}
	}
	if strength < 0.05 {
		return 0, 0
	}
	return period, strength
}

// between interpolates linearly.
func between(values []float64, at float64) float64 {
	i := int(at)
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}

// beatFrames returns the sequence of frames with the largest sum of onset strength less
// the squared logarithmic deviation of their distances from the period.
func beatFrames(envelope []float32, period float64) []int {
	local := localScore(envelope, period)
	n := len(local)
	total, from := make([]float32, n), make([]int32, n)
	nearest, farthest := int(math.Round(period/2)), int(math.Round(2*period))
	costs := make([]float32, farthest+1)
	for d := max(1, nearest); d <= farthest; d++ {
		l := math.Log(float64(d) / period)
		costs[d] = float32(beatTightness * l * l)
	}
	_, highest := bounds(local)
	begun := false
	for i := range local {
		best, at := float32(math.Inf(-1)), int32(-1)
		for d := max(1, nearest); d <= farthest && d <= i; d++ {
			if score := total[i-d] - costs[d]; score > best {
				best, at = score, int32(i-d)
			}
		}
		total[i], from[i] = local[i], -1
		if at >= 0 && (begun || local[i] >= 0.01*highest) && best > 0 {
			total[i] += best
			from[i] = at
		}
		begun = begun || local[i] >= 0.01*highest
	}
	return traced(total, from, local, farthest)
}

// traced follows the beats back from the best of the last frames, without the weak ones
// at both ends.
func traced(total []float32, from []int32, local []float32, within int) []int {
	end := len(total) - 1
	for i := max(0, len(total)-within); i < len(total); i++ {
		if total[i] > total[end] {
			end = i
		}
	}
	var beats []int
	for i := int32(end); i >= 0; i = from[i] {
		beats = append(beats, int(i))
	}
	for i, j := 0, len(beats)-1; i < j; i, j = i+1, j-1 {
		beats[i], beats[j] = beats[j], beats[i]
	}
	var squares float64
	for _, beat := range beats {
		squares += float64(local[beat]) * float64(local[beat])
	}
	weak := float32(0.5 * math.Sqrt(squares/max(1, float64(len(beats)))))
	for len(beats) > 0 && local[beats[0]] < weak {
		beats = beats[1:]
	}
	for len(beats) > 0 && local[beats[len(beats)-1]] < weak {
		beats = beats[:len(beats)-1]
	}
	return beats
}

// localScore smooths an envelope of unit deviation over a share of the period.
func localScore(envelope []float32, period float64) []float32 {
	var sum, squares float64
	for _, v := range envelope {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(envelope))
	deviation := math.Sqrt(max(1e-12, squares/n-sum*sum/n/n))
	reach := int(math.Ceil(period / 8)) // four deviations
	kernel := make([]float32, 2*reach+1)
	for i := range kernel {
		x := float64(i-reach) * 32 / period
		kernel[i] = float32(math.Exp(-0.5*x*x) / deviation)
	}
	out := make([]float32, len(envelope))
	for i := range out {
		var score float32
		for j := max(0, i-reach); j <= min(len(envelope)-1, i+reach); j++ {
			score += envelope[j] * kernel[j-i+reach]
		}
		out[i] = score
	}
	return out
}

// slope returns the distance of beats by linear regression over their numbers; the
// number of a beat is its distance from the one before in whole periods.
func slope(beats []int, period float64) float64 {
	var n, sx, sy, sxx, sxy, number float64
	for i, beat := range beats {
		if i > 0 {
			number += max(1, math.Round(float64(beat-beats[i-1])/period))
		}
		y := float64(beat)
		n++
		sx += number
		sy += y
		sxx += number * number
		sxy += number * y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
