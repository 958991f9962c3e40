package batches

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// maxFaults bounds the items that a refusal names.
const maxFaults = 20

// check returns a fault that names the items which cannot become jobs. Each request that
// differs in more than its recording is checked once. A fault of a recording is found when its
// item runs, and does not affect the others.
func (d *Draft) check(ctx context.Context, b Batch) error {
	m := d.manager
	seen := make(map[[sha256.Size]byte]bool)
	var fields []services.FieldError
	kind, item := services.KindInvalid, 0
	reader := m.newReader(b)
	defer reader.close()
	for ; item < b.Items && len(fields) < maxFaults; item++ {
		one, err := reader.item(ctx, item)
		if err != nil {
			return err
		}
		key := sha256.Sum256(slices.Concat([]byte(one.Service+"\x00"+one.Task+"\x00"), one.Params))
		if seen[key] {
			continue
		}
		if one.Service == "" && one.Task == "" {
			err = services.Invalidf("task", "is missing; name the task, such as transcribe, or the service")
		} else {
			err = m.items.Check(ctx, b.submission(item, one))
		}
		var fault *services.Fault
		if errors.As(err, &fault) && concernsRecording(fault) {
			continue // the next item with these parameters may have a better one
		}
		seen[key] = true
		if err == nil {
			continue
		}
		named := d.fault(item, int(d.lines[item]), err)
		if !errors.As(named, &fault) || len(fault.Fields) == 0 {
			return named
		}
		fields, kind = append(fields, fault.Fields...), fault.Kind
	}
	if len(fields) > 0 {
		return &services.Fault{Kind: kind, Fields: services.ClipFields(fields)}
	}
	return nil
}

// concernsRecording reports whether a fault is one of the recording alone.
func concernsRecording(fault *services.Fault) bool {
	if fault.Kind == services.KindUnsupported || fault.Kind == services.KindTooLarge {
		return true
	}
	return len(fault.Fields) > 0 && !slices.ContainsFunc(fault.Fields, func(f services.FieldError) bool {
		return f.Field != "file" && f.Field != "audio_id" || strings.Contains(f.Problem, "is missing")
	})
}

// ownFields are the fields of an item; all others belong to its parameters.
var ownFields = []string{"name", "service", "task", "params", "labels", "audio_id", "callback_url"}

// fault names the item and its line in a fault.
func (d *Draft) fault(item, line int, err error) error {
	var fault *services.Fault
	if !errors.As(err, &fault) || fault.Kind == services.KindUnavailable || fault.Kind == services.KindFull {
		return err
	}
	where := fmt.Sprintf("items[%d]", item)
	named := *fault
	named.Fields = nil
	before := ""
	if line > 0 {
		before = fmt.Sprintf("line %d: ", line)
	}
	for _, field := range fault.Fields {
		name := field.Field
		root, _, _ := strings.Cut(name, ".")
		switch {
		case name == "items":
			named.Fields = append(named.Fields, services.FieldError{Field: name, Problem: before + field.Problem})
			continue
		case name == "file":
			name = "audio_id"
			if strings.HasPrefix(field.Problem, "is missing") {
				field.Problem = "is missing; name a stored recording, or send files as parts audio of a form"
			}
		case !slices.Contains(ownFields, root):
			name = "params." + name
		}
		named.Fields = append(named.Fields, services.FieldError{Field: where + "." + name, Problem: before + field.Problem})
	}
	if len(named.Fields) == 0 {
		named.Kind, named.Message = services.KindInvalid, ""
		named.Fields = []services.FieldError{{Field: where, Problem: before + fault.Detail()}}
	}
	return &named
}

// joinFaults returns one fault with the fields of all.
func joinFaults(all []error) error {
	joined := &services.Fault{Kind: services.KindInvalid}
	for _, err := range all {
		var fault *services.Fault
		if !errors.As(err, &fault) {
			return err
		}
		joined.Fields = append(joined.Fields, fault.Fields...)
	}
	return joined
}

// admit returns a fault if the unfinished batches of the owner have too many items.
func (m *Manager) admit(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	open := 0
	for _, t := range m.trackers {
		if t.batch != nil && t.batch.Owner == b.Owner && !t.batch.Status.Terminal() {
			open += t.batch.Items - t.ended()
		}
	}
	if open+b.Items <= m.cfg.MaxItems {
		return nil
	}
	return &services.Fault{
		Kind: services.KindBusy, RetryAfter: time.Minute,
		Message: fmt.Sprintf("%d items of your batches have not ended, this batch has %d, and jobs.batches.maxItems allows %d together",
			open, b.Items, m.cfg.MaxItems),
	}
}

// submission returns the request for the job of an item, which has what the batch's items have
// in common.
func (b Batch) submission(item int, one Item) jobs.Submission {
	return jobs.Submission{
		Owner: b.Owner, SeesAll: b.SeesAll, Service: one.Service, Task: one.Task, Params: one.Params, Priority: b.Priority,
		Labels: one.Labels, Title: one.Name, AudioID: one.AudioID, Batch: b.ID, Item: item,
	}
}
