package editing

import (
	"github.com/grym-synth/grym-synth/services/analysis"
)

// What normalize measures.
const (
	byPeak     = "peak"
	byRMS      = "rms"
	byLoudness = "loudness"
)

// normalize brings the whole sound to a level.
type normalize struct {
	named
	Mode         string   `json:"mode"`
	Target       *float64 `json:"target"`
	TruePeakDBTP *float64 `json:"true_peak_dbtp"`
}

// defaultTargets are the targets in decibels of full scale, and in LUFS for loudness.
var defaultTargets = map[string]float64{byPeak: -1, byRMS: -20, byLoudness: -23}

// defaultTruePeakDBTP is the limit of EBU R 128.
const defaultTruePeakDBTP = -1

func (n *normalize) check() error {
	if n.Mode == "" {
		return invalid("mode", "is missing")
	}
	if _, ok := defaultTargets[n.Mode]; !ok {
		return invalid("mode", "must be %s, %s or %s, got %.40q", byPeak, byRMS, byLoudness, n.Mode)
	}
	if n.Target == nil {
		target := defaultTargets[n.Mode]
		n.Target = &target
	}
	if n.TruePeakDBTP == nil {
		limit := float64(defaultTruePeakDBTP)
		n.TruePeakDBTP = &limit
	} else if n.Mode != byLoudness {
		return invalid("true_peak_dbtp", "is a parameter of the mode %s only", byLoudness)
	}
	return first(within("target", *n.Target, -80, 0), within("true_peak_dbtp", *n.TruePeakDBTP, -60, 0))
}

func (n *normalize) build(in Format, env Env) (built, error) {
	cfg := analysis.Config{SampleRateHz: in.SampleRateHz, Channels: in.Channels, Features: []analysis.Feature{analysis.FeatureLevels}}
	if n.Mode == byLoudness {
		cfg.Features = []analysis.Feature{analysis.FeatureLoudness}
	}
	analyzer, err := analysis.New(cfg)
	if err != nil {
		return built{}, invalid("mode", "cannot be measured: %v", err)
	}
	s := &normalizer{normalize: *n, analyzer: analyzer, spool: newSpool(env, in.Channels)}
	// The windows of the loudness are 80 bytes a second.
	return built{stage: s, out: in, bytes: spoolBytes(in.Channels) + int64(8*blockFrames*in.Channels) + int64(200*in.Seconds())}, nil
}

// normalizer measures the sound while it writes it to a file.
type normalizer struct {
	basic
	normalize
	analyzer *analysis.Analyzer
	spool    *spool
}

func (n *normalizer) process(block []float32, _ Emit) error {
	n.analyzer.Write(block)
	return n.spool.write(block)
}

func (n *normalizer) flush(emit Emit) error {
	factor := float32(n.factor(n.analyzer.Finish()))
	return n.spool.read(false, func(_ int64, block []float32) error {
		for i := range block {
			block[i] *= factor
		}
		return emit(block)
	})
}

// factor returns the gain; 1 where the level is not defined, as for silence.
func (n *normalizer) factor(r *analysis.Report) float64 {
	var level *float64
	switch n.Mode {
	case byPeak:
		level = r.Levels.PeakDBFS
	case byRMS:
		level = r.Levels.RMSDBFS
	default:
		level = r.Loudness.IntegratedLUFS
	}
	if level == nil {
		return 1
	}
	db := *n.Target - *level
	if n.Mode == byLoudness && r.Loudness.TruePeakDBTP != nil {
		db = min(db, *n.TruePeakDBTP-*r.Loudness.TruePeakDBTP)
	}
	return amplitude(min(db, maxGainDB))
}

// maxGainDB is the maximum gain of normalize, so that noise does not become a recording.
const maxGainDB = 60

func (n *normalizer) close() error { return n.spool.close() }
