package wav2vec2

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// confidenceFile is the optional calibration of a model.
const confidenceFile = "confidence.json"

// defaultMisfit is the misfit for each letter above which a word of the list is replaced, of
// models without a calibration.
const defaultMisfit = 2.0

// defaultDoubted is calibration.Doubted by default.
const defaultDoubted = 0.5

// calibration is confidenceFile: a logistic regression of whether a word is right.
type calibration struct {
	Bias float64 `json:"bias"`
	// Weights are those of features, by their names.
	Weights map[string]float64 `json:"weights"`
	// Replaced is the confidence of a word of the list, regardless of the words near it, below
	// which it is replaced by the letters that its frames spell.
	Replaced float64 `json:"replaced"`
	// Doubted is the confidence of a recording below which it is more often wrong than right;
	// 0 for defaultDoubted.
	Doubted float64 `json:"doubted"`
}

// featureNames are the names of the features in confidenceFile, in their order.
var featureNames = []string{
	"misfit", "edits", "mean", "least", "clarity", "short", "lead", "unlisted", "near_misfit", "near_edits", "near_clarity", "near_unlisted",
}

// nearWords is the number of words on either side that are near.
const nearWords = 3

// features returns the features of a word among the evidence of its recording.
func features(all []evidence, at int) []float64 {
	e := all[at]
	near := all[max(0, at-nearWords):min(len(all), at+nearWords+1)]
	var letters, misfit, edits, longest, clarity, unlisted float64
	for _, one := range near {
		letters += one.letters
		misfit += min(one.misfit, mostMisfit*one.letters)
		edits += one.edits
		longest += max(one.letters, one.spelled)
		clarity += one.clarity / float64(len(near))
		unlisted += (1 - one.listed) / float64(len(near))
	}
	return []float64{
		min(e.misfit/e.letters, mostMisfit), e.edits / max(e.letters, e.spelled), e.mean, e.least, e.clarity, 1 / e.letters, e.lead, 1 - e.listed,
		misfit / letters, edits / longest, clarity, unlisted,
	}
}

// mostMisfit is the largest misfit for each letter as a feature.
const mostMisfit = 10

// readCalibration reads confidenceFile, nil if there is none.
func (f *folder) readCalibration(files modelstore.Folder) (*calibration, error) {
	var c calibration
	err := files.ReadJSON(confidenceFile, &c)
	if errors.Is(err, fs.ErrNotExist) || f.Head != headCTC {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file := limits.Of(files.Name + "/" + confidenceFile)
	const most = 1e6
	file.Float("bias", c.Bias, -most, most)
	file.Float("doubted", c.Doubted, 0, 1)
	file.Float("replaced", c.Replaced, 0, 1)
	for name, weight := range c.Weights {
		file.OneOf("weights", name, featureNames...)
		file.Float("weights."+limits.Quote(name), weight, -most, most)
	}
	if err := file.Err(); err != nil {
		return nil, fmt.Errorf("confidence: %w", err)
	}
	return &c, nil
}

// confidence returns the probability that a word is right. Without a calibration it is the
// geometric mean of the probabilities of its letters, lowered by the misfit.
func (c *calibration) confidence(all []evidence, at int) float64 {
	if c == nil {
		e := all[at]
		return roundMicro(math.Exp(e.mean - e.misfit/e.letters))
	}
	sum := c.Bias
	for i, value := range features(all, at) {
		sum += c.Weights[featureNames[i]] * value
	}
	return roundMicro(1 / (1 + math.Exp(-sum)))
}

// has reports whether there is a weight for a feature.
func (c *calibration) has(feature string) bool {
	_, ok := c.Weights[feature]
	return ok
}

// doubted reports whether a recording is more often wrong than right at its confidence.
func (c *calibration) doubted(confidence float64) bool {
	if c == nil || c.Doubted == 0 {
		return confidence < defaultDoubted
	}
	return confidence < c.Doubted
}

// fits reports whether a word of the list fits its frames.
func (c *calibration) fits(e evidence) bool {
	if c == nil {
		return e.misfit <= defaultMisfit*e.letters
	}
	return c.confidence([]evidence{e}, 0) >= c.Replaced
}
