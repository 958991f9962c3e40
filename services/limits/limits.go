// Package limits validates values from the files of a model folder before they
// determine the size of memory or work. Model folders are untrusted, and an allocation
// that is too large would end the process.
package limits

import (
	"fmt"
	"math"
	"strings"
)

// Limits shared by several kinds of file. All are far above the largest public models.
const (
	// Vocabulary is the maximum number of tokens of a model; token IDs are below it.
	// The largest known tokenizers have about 260,000.
	Vocabulary = 1_000_000
	// TokenBytes is the maximum length of a token.
	TokenBytes = 4096
	// TextBytes is the maximum length of a text setting, such as a prompt template.
	TextBytes = 64 << 10
	// MinSampleRateHz and MaxSampleRateHz are the limits of the resampler.
	MinSampleRateHz = 8000
	MaxSampleRateHz = 192000
	// MelBands is the maximum number of bands of a spectrogram.
	MelBands = 1024
	// Layers, Heads, HeadWidth and Width limit the shape of a transformer.
	Layers    = 1024
	Heads     = 1024
	HeadWidth = 4096
	Width     = 1 << 17
)

// File validates the fields of a file and records the first error. Each method checks
// one field, named as in the file.
type File struct {
	name string
	err  error
}

// Of returns a File whose errors begin with the given name.
func Of(name string) *File { return &File{name: name} }

// Err returns the first error, or nil.
func (f *File) Err() error { return f.err }

// Fail records an error unless there is one already. Its text completes the sentence
// "NAME/config.json: ...".
func (f *File) Fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: "+format, append([]any{f.name}, args...)...)
	}
}

// Int checks an integer.
func (f *File) Int(field string, value, least, most int64) {
	switch {
	case value < least:
		f.Fail("%s must be at least %d, got %d", field, least, value)
	case value > most:
		f.Fail("%s must be at most %d, got %d", field, most, value)
	}
}

// Ints checks the length of a list of integers, and each element.
func (f *File) Ints(field string, values []int64, fewest, many int, least, most int64) {
	f.Count(field, len(values), fewest, many)
	for i, value := range values[:min(len(values), many)] {
		f.Int(fmt.Sprintf("%s[%d]", field, i), value, least, most)
	}
}

// Float checks a floating-point number.
func (f *File) Float(field string, value, least, most float64) {
	switch {
	case math.IsNaN(value) || value < least:
		f.Fail("%s must be at least %v, got %v", field, least, value)
	case value > most:
		f.Fail("%s must be at most %v, got %v", field, most, value)
	}
}

// Count checks the length of a list or an object.
func (f *File) Count(field string, count, fewest, many int) {
	switch {
	case count < fewest:
		f.Fail("%s must have at least %d values, got %d", field, fewest, count)
	case count > many:
		f.Fail("%s must have at most %d values, got %d", field, many, count)
	}
}

// Text checks the length of a text.
func (f *File) Text(field, text string, most int) {
	if len(text) > most {
		f.Fail("%s must be at most %d bytes, got %d", field, most, len(text))
	}
}

// OneOf checks that a text is one of the known values.
func (f *File) OneOf(field, text string, known ...string) {
	for _, one := range known {
		if text == one {
			return
		}
	}
	f.Fail("%s must be %s, got %s", field, strings.Join(known, " or "), Quote(text))
}

// Quote quotes a text from a file for an error, shortened to a bounded length.
func Quote(text string) string { return fmt.Sprintf("%.64q", text) }

// Product returns the product of numbers that must not be negative. A product that
// overflows is math.MaxInt64.
func Product(values ...int64) int64 {
	product := int64(1)
	for i, value := range values {
		switch {
		case value <= 0:
			return 0
		case product > math.MaxInt64/value:
			// A later zero still makes the product zero.
			for _, rest := range values[i+1:] {
				if rest <= 0 {
					return 0
				}
			}
			return math.MaxInt64
		}
		product *= value
	}
	return product
}

// Sum returns the sum of numbers that must not be negative. A sum that overflows is
// math.MaxInt64.
func Sum(values ...int64) int64 {
	sum := int64(0)
	for _, value := range values {
		if value > math.MaxInt64-sum {
			return math.MaxInt64
		}
		sum += max(value, 0)
	}
	return sum
}
