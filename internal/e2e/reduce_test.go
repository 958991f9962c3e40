package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// recordedAnswer is what is recorded of an answer.
type recordedAnswer struct {
	Name    string            `json:"name"`
	Request string            `json:"request"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
	// Texts are sentences for people. The body has only their places, so that a
	// better sentence is no difference.
	Texts map[string]string `json:"texts,omitempty"`
}

// Ways to record a body. Whatever the way, sentences, times, and what is made
// up by chance are left out.
const (
	// recordLoose replaces numbers by their type.
	recordLoose = "loose"
	// recordShape replaces all values by their types, and the elements of a list
	// by the different shapes among them.
	recordShape = "shape"
	// recordSound leaves out the hash of a file whose samples depend on the machine's arithmetic.
	recordSound = "sound"
	// recordMetrics keeps the names and labels of metrics.
	recordMetrics = "metrics"
	// recordOperations keeps the operations of the contract.
	recordOperations = "operations"
)

// Headers that are recorded with their values, and those of which only the
// presence is. All of Grym-* are recorded as well.
var (
	valued = []string{
		"Content-Type", "Location", "Allow", "Www-Authenticate", "Etag", "Accept-Ranges", "Content-Range",
		"Content-Disposition", "Cache-Control", "Preference-Applied", "Idempotent-Replayed", "Vary",
		"X-Content-Type-Options", "Deprecation", "Link",
	}
	present = []string{"Retry-After", "X-Request-Id", "Grym-Signature", "Grym-Webhook-Timestamp", "Last-Modified"}
)

// sentences are names of fields that hold text for people.
var sentences = []string{
	"detail", "message", "title", "problem", "reason", "reasons", "description", "summary", "error", "last_error", "cause", "warnings",
}

// varying are names of fields whose values differ from run to run or from
// machine to machine.
var varying = []string{
	"request_id", "created", "updated", "last_used", "expires", "started", "finished", "ended", "at", "since", "progressed", "next", "last",
	"worker", "uptime_seconds", "commit", "go", "platform", "version", "listen", "dataDir", "loaded_bytes", "cached_bytes", "next_cursor",
	"score", "bound", "signature",
}

// reducer makes the stable form of answers.
type reducer struct {
	values map[string]string
	vary   []string
	// without are names of fields that are left out.
	without []string
	record  string
	texts   map[string]string
}

var (
	moment   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)
	madeUp   = regexp.MustCompile(`\b(job|ctx|chatcmpl|grym)([-_])[a-z0-9]{16,}`)
	millis   = regexp.MustCompile(`-\d{13}\b`)
	boundary = regexp.MustCompile(`boundary=\S+`)
	// inSentences are numbers and ids in texts, so that writing the recording
	// anew does not change them.
	inSentences = regexp.MustCompile(`[0-9a-f]{12,}|127\.0\.0\.1:\d+|/tmp/\S+`)
)

// reduce returns what is recorded of an answer.
func (p *player) reduce(r recordRequest, got rawAnswer) recordedAnswer {
	red := &reducer{values: p.values, vary: append(slices.Clone(varying), r.Vary...), without: r.Without, record: r.Record,
		texts: make(map[string]string)}
	a := recordedAnswer{Name: r.Name, Request: r.Send, Status: got.status, Headers: red.headers(got.header)}
	a.Body = red.body(got)
	if len(red.texts) > 0 {
		a.Texts = red.texts
	}
	return a
}

func (red *reducer) headers(header http.Header) map[string]string {
	reduced := make(map[string]string)
	for name := range header {
		value := strings.Join(header.Values(name), ", ")
		if name == "Vary" { // every response varies with this one
			others := slices.DeleteFunc(strings.Split(value, ", "), func(one string) bool { return one == "Accept-Encoding" })
			if value = strings.Join(others, ", "); value == "" {
				continue
			}
		}
		switch {
		case slices.Contains(present, name), slices.Contains(red.vary, name):
			reduced[name] = "<present>"
		case name == "Allow":
			methods := strings.Split(value, ", ")
			slices.Sort(methods)
			reduced[name] = strings.Join(methods, ", ")
		case slices.Contains(valued, name), strings.HasPrefix(name, "Grym-"):
			reduced[name] = boundary.ReplaceAllString(red.text(value), "boundary=<any>")
		}
	}
	return reduced
}

// text replaces what was captured and what is made up by chance.
func (red *reducer) text(value string) string {
	// The longest first, as one may be the beginning of another.
	names := slices.SortedFunc(maps.Keys(red.values), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(red.values[b]), len(red.values[a])), cmp.Compare(a, b))
	})
	for _, name := range names {
		// A short one could stand anywhere.
		if len(red.values[name]) >= 8 {
			value = strings.ReplaceAll(value, red.values[name], "<"+name+">")
		}
	}
	value = millis.ReplaceAllString(value, "-<time>")
	value = madeUp.ReplaceAllString(value, "$1$2<id>")
	return moment.ReplaceAllString(value, "<time>")
}

func (red *reducer) body(got rawAnswer) any {
	contentType := got.header.Get("Content-Type")
	kind, _, _ := strings.Cut(contentType, ";")
	switch {
	case len(got.body) == 0:
		return nil
	case red.record == recordMetrics:
		return metrics(string(got.body))
	case red.record == recordOperations:
		return operationsOf(got.body)
	case kind == "text/event-stream":
		return red.events(string(got.body))
	case strings.HasSuffix(kind, "json"):
		var value any
		decoder := json.NewDecoder(bytes.NewReader(got.body))
		decoder.UseNumber()
		if decoder.Decode(&value) != nil {
			return map[string]any{"not JSON": string(got.body)}
		}
		return red.value("", "", value)
	case strings.HasPrefix(kind, "text/"), kind == "application/x-subrip":
		return red.text(string(got.body))
	}
	return red.file(got.body)
}

// file describes bytes by the power of two that they reach and, where they are
// the same on every machine, by their hash.
func (red *reducer) file(data []byte) any {
	file := map[string]any{"bytes": fmt.Sprintf("2^%d", bits.Len(uint(len(data))))}
	if red.record != recordSound {
		sum := sha256.Sum256(data)
		file["bytes"], file["sha256"] = strconv.Itoa(len(data)), hex.EncodeToString(sum[:])
	}
	return file
}

// value reduces a JSON value with a name at a path.
func (red *reducer) value(path, name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			if slices.Contains(red.without, key) {
				continue
			}
			out[red.text(key)] = red.value(path+"."+key, key, inner)
		}
		return out
	case []any:
		return red.list(path, name, v)
	case string:
		return red.leaf(path, name, v)
	case json.Number:
		if slices.Contains(red.vary, name) || red.record == recordLoose || red.record == recordShape {
			return "<number>"
		}
		return v
	case bool:
		if red.record == recordShape {
			return "<boolean>"
		}
	}
	return value
}

func (red *reducer) list(path, name string, list []any) any {
	if len(list) > 8 && !slices.ContainsFunc(list, func(v any) bool { _, is := v.(json.Number); return !is }) {
		return fmt.Sprintf("<%d numbers>", len(list))
	}
	out := make([]any, 0, len(list))
	seen := make(map[string]bool)
	for i, inner := range list {
		reduced := red.value(path+"["+strconv.Itoa(i)+"]", name, inner)
		if red.record == recordShape {
			shape, _ := json.Marshal(reduced)
			if seen[string(shape)] {
				continue
			}
			seen[string(shape)] = true
		}
		out = append(out, reduced)
	}
	return out
}

func (red *reducer) leaf(path, name, text string) any {
	if slices.Contains(sentences, name) && text != "" {
		red.texts[strings.TrimPrefix(path, ".")] = inSentences.ReplaceAllString(red.text(text), "#")
		return "<text>"
	}
	if slices.Contains(red.vary, name) || red.record == recordShape {
		return "<string>"
	}
	return red.text(text)
}

// passing are events whose number depends on how fast things go.
var passing = []string{"progress", "state"}

// events reduces a stream of server-sent events. Of those that depend on the
// time the first of each name is kept, by its shape.
func (red *reducer) events(stream string) any {
	var out []any
	seen := make(map[string]bool)
	for block := range strings.SplitSeq(strings.TrimSpace(stream), "\n\n") {
		event, id, data := "", false, ""
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "event":
				event = value
			case "id":
				id = true
			case "data":
				data += value
			}
		}
		if event == "" && data == "" || seen[event] {
			continue
		}
		seen[event] = slices.Contains(passing, event)
		one := map[string]any{"data": red.eventData(event, data, len(out))}
		if event != "" {
			one["event"] = event
		}
		if id {
			one["id"] = "<present>"
		}
		out = append(out, one)
	}
	return out
}

func (red *reducer) eventData(event, data string, n int) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return data
	}
	if object, ok := value.(map[string]any); ok && slices.Contains(passing, event) {
		for _, key := range slices.Collect(maps.Keys(object)) {
			// The others come and go with the state of the job.
			if !slices.Contains([]string{"id", "object", "service", "task", "status", "progress", "attempts", "labels", "links"}, key) {
				delete(object, key)
			}
		}
		if _, ok := object["status"]; ok {
			object["status"] = "<status>"
		}
		if _, ok := object["progress"]; ok {
			object["progress"] = "<number>"
		}
		if _, ok := object["attempts"]; ok {
			object["attempts"] = "<number>"
		}
	}
	return red.value("["+strconv.Itoa(n)+"]", "", value)
}

var label = regexp.MustCompile(`([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"`)

// metrics returns the types of our metrics and their labels; of labels that have
// a known set of values, those as well.
func metrics(text string) any {
	types, series := make(map[string]any), make(map[string]map[string]bool)
	for line := range strings.SplitSeq(text, "\n") {
		if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "TYPE" && strings.HasPrefix(fields[2], "grym_") {
			types[fields[2]] = fields[3]
			continue
		}
		name, rest, _ := strings.Cut(line, "{")
		name, _, _ = strings.Cut(name, " ")
		if !strings.HasPrefix(name, "grym_") {
			continue
		}
		var labels []string
		for _, l := range label.FindAllStringSubmatch(rest, -1) {
			if l[1] != "le" && l[1] != "quantile" {
				labels = append(labels, l[0])
			}
		}
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			if family := strings.TrimSuffix(name, end); types[family] != nil {
				name = family
			}
		}
		if series[name] == nil {
			series[name] = make(map[string]bool)
		}
		series[name][strings.Join(labels, ",")] = true
	}
	out := make(map[string]any)
	for name, kind := range types {
		out[name] = map[string]any{"type": kind, "labels": strings.Join(slices.Sorted(maps.Keys(series[name])), " | ")}
	}
	return out
}

// operationsOf lists the operations of a contract.
func operationsOf(contract []byte) any {
	var document struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(contract, &document); err != nil {
		return err.Error()
	}
	var all []any
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}
