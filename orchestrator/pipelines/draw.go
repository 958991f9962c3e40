package pipelines

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// Formats of drawings.
const (
	FormatMermaid = "mermaid"
	FormatSVG     = "svg"
)

// Draw returns a drawing of the steps of a definition, with their states if they are given.
func (s *Service) Draw(d Definition, states []services.StepProgress, format string) (string, error) {
	plan, err := s.plan(d)
	if err != nil {
		return "", err
	}
	drawing := &drawing{plan: plan, states: make(map[string]services.StepProgress)}
	for _, one := range states {
		drawing.states[one.ID] = one
	}
	switch format {
	case FormatMermaid:
		return drawing.mermaid(), nil
	case FormatSVG:
		return drawing.svg(), nil
	}
	return "", services.Invalidf("format", "must be json, mermaid or svg, got %.40q", format)
}

// drawing is a plan with the states of its steps, none for a plan that does not run.
type drawing struct {
	plan   *Plan
	states map[string]services.StepProgress
}

// colour are the colours of a status: fill and stroke.
var colour = map[string][2]string{
	"":            {"#f4f4f5", "#71717a"},
	StepWaiting:   {"#f4f4f5", "#a1a1aa"},
	StepRunning:   {"#dbeafe", "#2563eb"},
	StepSucceeded: {"#dcfce7", "#16a34a"},
	StepFailed:    {"#fee2e2", "#dc2626"},
	StepSkipped:   {"#fafafa", "#d4d4d8"},
}

// lines returns the text of a step: its id, and its task with what is special.
func (d *drawing) lines(n *node) (title, text string) {
	text = n.Task
	state, runs := d.states[n.ID]
	switch {
	case n.items != nil && runs && state.Total > 0:
		text += fmt.Sprintf(", %d of %d", state.Done, state.Total)
	case n.items != nil:
		text += ", for each"
	case runs && state.Status == StepRunning && state.Progress > 0:
		text += fmt.Sprintf(", %.0f%%", 100*state.Progress)
	}
	if n.cond != nil && !runs {
		text += ", if"
	}
	return n.ID, text
}

// needs returns the steps that a step depends on, in the order of their names.
func (n *node) sortedNeeds() []string { return slices.Sorted(maps.Keys(n.needs)) }

// mermaid returns a flowchart in Mermaid's language.
func (d *drawing) mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	quote := strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", " ").Replace
	for _, n := range d.plan.steps {
		title, text := d.lines(n)
		left, right := "[", "]"
		switch {
		case n.items != nil:
			left, right = "[[", "]]"
		case n.cond != nil:
			left, right = "{{", "}}"
		}
		// The prefix keeps ids from being words of the language.
		fmt.Fprintf(&b, "  s_%s%s\"%s<br/>%s\"%s\n", n.ID, left, quote(title), quote(text), right)
	}
	for _, n := range d.plan.steps {
		for _, id := range n.sortedNeeds() {
			fmt.Fprintf(&b, "  s_%s --> s_%s\n", id, n.ID)
		}
	}
	for _, status := range []string{StepWaiting, StepRunning, StepSucceeded, StepFailed, StepSkipped} {
		var ids []string
		for _, n := range d.plan.steps {
			if d.states[n.ID].Status == status {
				ids = append(ids, "s_"+n.ID)
			}
		}
		if len(ids) > 0 {
			fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:#18181b\n  class %s %s\n",
				status, colour[status][0], colour[status][1], strings.Join(ids, ","), status)
		}
	}
	return b.String()
}

// Sizes of a drawing, in pixels.
const (
	boxWidth, boxHeight = 176, 52
	gapX, gapY          = 56, 24
	margin              = 16
)

// places returns the upper left corners of the boxes, each right of those that it needs, and
// the size of the drawing.
func (d *drawing) places() (at map[string][2]int, width, height int) {
	column, rows := make(map[string]int), make(map[int]int)
	at = make(map[string][2]int)
	for _, n := range d.plan.steps {
		for id := range n.needs {
			column[n.ID] = max(column[n.ID], column[id]+1)
		}
		x, y := column[n.ID], rows[column[n.ID]]
		rows[column[n.ID]]++
		at[n.ID] = [2]int{margin + x*(boxWidth+gapX), margin + y*(boxHeight+gapY)}
		width = max(width, at[n.ID][0]+boxWidth+margin)
		height = max(height, at[n.ID][1]+boxHeight+margin)
	}
	return at, width, height
}

// svg returns the drawing as SVG.
func (d *drawing) svg() string {
	at, width, height := d.places()
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" `+
		`font-family="system-ui, sans-serif" font-size="13">`+"\n<title>%s</title>\n", width, height, width, height,
		escape("pipeline "+d.plan.Definition.Name))
	b.WriteString(`<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">` +
		`<path d="M0 0 8 4 0 8z" fill="#71717a"/></marker></defs>` + "\n")
	for _, n := range d.plan.steps {
		for _, id := range n.sortedNeeds() {
			x, y := at[id][0]+boxWidth, at[id][1]+boxHeight/2
			toX, toY := at[n.ID][0], at[n.ID][1]+boxHeight/2
			fmt.Fprintf(&b, `<path d="M%d %d C%d %d %d %d %d %d" fill="none" stroke="#71717a" marker-end="url(#end)"/>`+"\n",
				x, y, x+gapX/2, y, toX-gapX/2, toY, toX, toY)
		}
	}
	for _, n := range d.plan.steps {
		d.box(&b, n, at[n.ID], escape)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// box draws a step.
func (d *drawing) box(b *strings.Builder, n *node, at [2]int, escape func(string) string) {
	title, text := d.lines(n)
	state := d.states[n.ID]
	colours := colour[state.Status]
	dashes := ""
	if state.Status == StepSkipped {
		dashes = ` stroke-dasharray="4 3"`
	}
	b.WriteString("<g>")
	if state.Error != "" {
		fmt.Fprintf(b, "<title>%s</title>", escape(state.Error))
	}
	if n.items != nil { // a second sheet behind it
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="%s"/>`,
			at[0]+4, at[1]+4, boxWidth, boxHeight, colours[0], colours[1])
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="%s"%s/>`,
		at[0], at[1], boxWidth, boxHeight, colours[0], colours[1], dashes)
	if state.Status == StepRunning {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.0f" height="4" fill="%s"/>`,
			at[0], at[1]+boxHeight-4, boxWidth*state.Progress, colours[1])
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="600" fill="#18181b">%s</text>`, at[0]+12, at[1]+22, escape(services.Clip(title, 24)))
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#52525b">%s</text></g>`+"\n", at[0]+12, at[1]+40, escape(services.Clip(text, 26)))
}
