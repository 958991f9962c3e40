package tasks

import (
	"compress/zlib"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// TokenLogprob is a token with its score as OpenAI's responses have it.
type TokenLogprob struct {
	Token string `json:"token"`
	// Bytes of the token, as numbers.
	Bytes   []int   `json:"bytes"`
	LogProb float64 `json:"logprob"`
}

// Logprobs returns the tokens of words with their scores; none if the words have none.
func Logprobs(words []Word) []TokenLogprob {
	list := []TokenLogprob{}
	for _, word := range words {
		for _, token := range word.Tokens {
			one := TokenLogprob{Token: token.Text, LogProb: token.LogProb}
			for i := range len(token.Text) {
				one.Bytes = append(one.Bytes, int(token.Text[i]))
			}
			list = append(list, one)
		}
	}
	return list
}

// verboseSegment is a segment with all fields of OpenAI's. A result of a version that did
// not compute scores has none.
type verboseSegment struct {
	Segment
	*segmentScores
}

// segmentScores are the fields of a segment that depend on the scores of its words.
type segmentScores struct {
	// Seek is the start in hundredths of a second, the frames of Whisper.
	Seek   int   `json:"seek"`
	Tokens []int `json:"tokens"`
	// Temperature is 0 unless words were drawn by chance.
	Temperature float64 `json:"temperature"`
	// AvgLogprob is the mean logarithm of the tokens' probabilities, at most that of the
	// confidence.
	AvgLogprob float64 `json:"avg_logprob"`
	// CompressionRatio is the size of the text divided by its size compressed by zlib.
	CompressionRatio float64 `json:"compression_ratio"`
	// NoSpeechProb is the probability that no letter was spoken.
	NoSpeechProb float64 `json:"no_speech_prob"`
	// Confidence is the mean of the words', by their lengths; nil if they have none.
	Confidence *float64 `json:"confidence,omitempty"`
}

// verboseSegments returns the segments, with the scores of their words if these have any.
func (t *Transcription) verboseSegments() []verboseSegment {
	scored := slices.ContainsFunc(t.Words, func(w Word) bool { return len(w.Tokens) > 0 })
	list := []verboseSegment{}
	for _, s := range t.Segments() {
		one := verboseSegment{Segment: s}
		if scored {
			one.segmentScores = s.scores()
		}
		list = append(list, one)
	}
	return list
}

// scores returns the scores of a segment.
func (s Segment) scores() *segmentScores {
	scores := &segmentScores{
		Temperature: s.Temperature, Seek: int(math.Round(s.Start * 100)), Tokens: []int{}, CompressionRatio: CompressionRatio(s.Text),
	}
	sum, nothing := 0.0, 0.0
	for i, word := range s.words {
		for j, token := range word.Tokens {
			if i == 0 && j == 0 && token.Text == " " {
				continue // between this segment and the one before it
			}
			scores.Tokens = append(scores.Tokens, token.ID)
			sum += token.LogProb
		}
		nothing += word.NoSpeech
	}
	if n := len(scores.Tokens); n > 0 {
		scores.AvgLogprob, scores.NoSpeechProb = sum/float64(n), math.Exp(nothing)
	}
	if scores.Confidence = s.confidence(); scores.Confidence != nil {
		scores.AvgLogprob = min(scores.AvgLogprob, math.Log(max(*scores.Confidence, leastConfidence)))
	}
	return scores
}

// leastConfidence bounds the logarithm of a confidence.
const leastConfidence = 1e-6

// confidence returns the mean confidence of the words by their lengths, nil if they have none.
func (s Segment) confidence() *float64 {
	sum, letters := 0.0, 0.0
	for _, word := range s.words {
		if word.Confidence == nil {
			return nil
		}
		n := float64(utf8.RuneCountInString(word.Text))
		sum += n * *word.Confidence
		letters += n
	}
	if letters == 0 {
		return nil
	}
	return new(math.Round(sum/letters*1e6) / 1e6)
}

// lastBlock is the size of the empty block with which package zlib ends, and which zlib
// itself does not write.
const lastBlock = 4

// CompressionRatio returns the size of a text divided by its size compressed by zlib. It is
// high for a text that repeats itself.
func CompressionRatio(text string) float64 {
	var size counter
	w := zlib.NewWriter(&size)
	_, _ = io.WriteString(w, text) // a counter does not fail
	_ = w.Close()
	return float64(len(text)) / float64(max(1, size-lastBlock))
}

// counter counts bytes.
type counter int

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
