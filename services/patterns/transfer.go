package patterns

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// transferSchema is the version of the lines.
	transferSchema = 1
	// mostLine bounds a line in bytes, and mostLines the lines of a file.
	mostLine, mostLines = 16 << 20, 100_000
)

// Types of lines.
const (
	linePattern  = "pattern"
	lineExample  = "example"
	lineFeedback = "feedback"
)

// line is one line of an export. A pattern is followed by its examples and corrections, each
// with its own sound.
type line struct {
	Schema int    `json:"schema,omitempty"`
	Type   string `json:"type"`
	// Of a pattern: its name, and what it was learnt with.
	Name      string            `json:"name,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Model     string            `json:"model,omitempty"`
	ModelHash string            `json:"model_hash,omitempty"`
	// Of an example: whether it is a counter-example.
	Counter bool `json:"counter_example,omitempty"`
	// Of an example or correction: the span in the sound, a FLAC file.
	Start float64 `json:"start,omitempty"`
	End   float64 `json:"end,omitempty"`
	Audio []byte  `json:"audio,omitempty"`
	// Of a correction.
	Verdict  string   `json:"verdict,omitempty"`
	NewStart *float64 `json:"new_start,omitempty"`
	NewEnd   *float64 `json:"new_end,omitempty"`
}

// lineFault returns a fault of a line of the file.
func lineFault(number int, format string, args ...any) *services.Fault {
	return services.Invalidf("file", "line %d: %s", number, fmt.Sprintf(format, args...))
}

// lines reads an export line by line.
type lines struct {
	reader *bufio.Reader
	number int
	// named reports whether a pattern has begun, and examples counts its examples.
	named    bool
	name     string
	examples int
}

func newLines(r io.Reader) *lines { return &lines{reader: bufio.NewReaderSize(r, 1<<16)} }

// next returns the next line, or io.EOF.
func (l *lines) next() (line, error) {
	for {
		text, err := l.read()
		if err != nil {
			return line{}, err
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		var one line
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			return line{}, lineFault(l.number, "is no line of an export: %v", err)
		}
		if decoder.More() {
			return line{}, lineFault(l.number, "has text after its JSON object")
		}
		return one, l.check(one)
	}
}

// read returns the bytes of the next line.
func (l *lines) read() ([]byte, error) {
	l.number++
	if l.number > mostLines {
		return nil, services.Invalidf("file", "must have at most %d lines", mostLines)
	}
	var text []byte
	for {
		part, err := l.reader.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > mostLine:
			return nil, lineFault(l.number, "has more than %d bytes", mostLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(text) > 0, err == nil:
			return text, nil
		case errors.Is(err, io.EOF):
			return nil, l.end()
		default:
			return nil, services.Unreadable(err)
		}
	}
}

// end checks the last pattern, and returns io.EOF if it is complete.
func (l *lines) end() error {
	if l.named && l.examples == 0 {
		return lineFault(l.number, "the pattern %q has no examples", l.name)
	}
	return io.EOF
}

// check returns a fault for a line that cannot follow the ones before it.
func (l *lines) check(one line) error {
	switch one.Type {
	case linePattern:
		if err := l.end(); !errors.Is(err, io.EOF) {
			return err
		}
		l.named, l.name, l.examples = true, one.Name, 0
		switch {
		case one.Schema != transferSchema:
			return lineFault(l.number, "schema must be %d, got %d", transferSchema, one.Schema)
		case one.Name == "" || len(one.Name) > maxKey:
			return lineFault(l.number, "name must have 1 to %d bytes, got %d", maxKey, len(one.Name))
		}
		if err := checkMetadata(one.Metadata); err != nil {
			return lineFault(l.number, "%v", err)
		}
		return nil
	case lineExample, lineFeedback:
		if !l.named {
			return lineFault(l.number, "type %s must follow a pattern", one.Type)
		}
		if one.Type == lineExample && !one.Counter {
			l.examples++
		}
		return l.checkSound(one)
	}
	return lineFault(l.number, "type must be %s, %s or %s, got %.40q", linePattern, lineExample, lineFeedback, one.Type)
}

// checkSound returns a fault for an example or a correction without usable sound.
func (l *lines) checkSound(one line) error {
	if len(one.Audio) == 0 {
		return lineFault(l.number, "audio is missing; it must be a recording as base64")
	}
	var err error
	if one.Type == lineExample {
		err = checkSpans(tasks.TeachParams{Examples: []tasks.StoredSpan{{Start: one.Start, End: one.End}}})
	} else {
		switch one.Verdict {
		case tasks.VerdictRight, tasks.VerdictWrong, tasks.VerdictMoved:
		default:
			return lineFault(l.number, "verdict must be right, wrong or moved, got %.40q", one.Verdict)
		}
		err = checkFeedback([]tasks.Feedback{one.feedback("")})
	}
	var fault *services.Fault
	if errors.As(err, &fault) {
		return lineFault(l.number, "the span %s", fault.Fields[0].Problem)
	}
	return err
}

// feedback returns the correction of a line.
func (one line) feedback(audio string) tasks.Feedback {
	span := tasks.StoredSpan{AudioID: audio, Start: one.Start, End: one.End}
	return tasks.Feedback{StoredSpan: span, Verdict: one.Verdict, NewStart: one.NewStart, NewEnd: one.NewEnd}
}

// fileOf is the sound of a line as the input of a task.
type fileOf []byte

// Open implements services.AudioSource.
func (f fileOf) Open() (io.ReadSeekCloser, error) { return openWave{bytes.NewReader(f)}, nil }

// Size implements services.AudioSource.
func (f fileOf) Size() int64 { return int64(len(f)) }
