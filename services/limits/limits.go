// Package limits checks what the files of a model folder say of themselves, before
// any of it sizes memory or work. A folder may come from anywhere, and an
// allocation that is too large ends the process.
package limits

import (
	"fmt"
	"math"
	"strings"
)

// Limits that several kinds of file share. All leave room for the largest public
// models.
const (
	// Vocabulary is the most tokens of a model; their IDs are below it. The largest
	// tokenizers known have some 260,000.
	Vocabulary = 1_000_000
	// TokenBytes is the longest text of a token.
	TokenBytes = 4096
	// TextBytes is the longest text of a setting, as a prompt template.
	TextBytes = 64 << 10
	// MinSampleRateHz and MaxSampleRateHz are the rates that the resampler takes.
	MinSampleRateHz = 8000
	MaxSampleRateHz = 192000
	// MelBands is the most bands of a spectrogram.
	MelBands = 1024
	// Layers, Heads, HeadWidth and Width bound the shape of a transformer.
	Layers    = 1024
	Heads     = 1024
	HeadWidth = 4096
	Width     = 1 << 17
)

// File collects the first value of a file that is outside its bounds. Its methods
// check one field each; a field is named as the file names it.
type File struct {
	name string
	err  error
}

// Of returns the check of a file, whose name stands first in the error.
func Of(name string) *File { return &File{name: name} }

// Err returns the first complaint, nil where there is none.
func (f *File) Err() error { return f.err }

// Fail records a complaint, unless there is one already. Its text completes the
// sentence "NAME/config.json: ...".
func (f *File) Fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: "+format, append([]any{f.name}, args...)...)
	}
}

// Int checks a whole number.
func (f *File) Int(field string, value, least, most int64) {
	switch {
	case value < least:
		f.Fail("%s must be at least %d, got %d", field, least, value)
	case value > most:
		f.Fail("%s must be at most %d, got %d", field, most, value)
	}
}

// Ints checks how many numbers a list has, and each of them.
func (f *File) Ints(field string, values []int64, fewest, many int, least, most int64) {
	f.Count(field, len(values), fewest, many)
	for i, value := range values[:min(len(values), many)] {
		f.Int(fmt.Sprintf("%s[%d]", field, i), value, least, most)
	}
}

// Float checks a number that need not be whole.
func (f *File) Float(field string, value, least, most float64) {
	switch {
	case math.IsNaN(value) || value < least:
		f.Fail("%s must be at least %v, got %v", field, least, value)
	case value > most:
		f.Fail("%s must be at most %v, got %v", field, most, value)
	}
}

// Count checks how many values a list or an object has.
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

// OneOf checks that a text is one of those known.
func (f *File) OneOf(field, text string, known ...string) {
	for _, one := range known {
		if text == one {
			return
		}
	}
	f.Fail("%s must be %s, got %s", field, strings.Join(known, " or "), Quote(text))
}

// Quote quotes a text of a file for an error, shortened so that the error stays
// short.
func Quote(text string) string { return fmt.Sprintf("%.64q", text) }

// Product multiplies numbers that are not negative, and returns the largest number
// there is where the product is larger.
func Product(values ...int64) int64 {
	product := int64(1)
	for i, value := range values {
		switch {
		case value <= 0:
			return 0
		case product > math.MaxInt64/value:
			// A zero that follows still makes it nothing.
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

// Sum adds numbers that are not negative, and returns the largest number there is
// where the sum is larger.
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
