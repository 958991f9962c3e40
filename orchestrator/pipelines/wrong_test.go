package pipelines

import "strings"

// right is a step without a fault.
const right = `{"id":"a","task":"transcribe","audio":"${input.audio}"}`

// wrongs are pipelines with the field and the problem that their faults must name.
var wrongs = map[string]struct{ raw, field, problem string }{
	"no steps":    {`{"steps":[]}`, "steps", "must have at least one step"},
	"no id":       {with(`{"task":"transcribe"}`), "steps[0].id", "is missing"},
	"an id":       {with(`{"id":"A-b","task":"transcribe"}`), "steps[0].id", `got "A-b"`},
	"an id twice": {with(right + "," + right), "steps.a.id", "is the id of another step"},
	"an unknown field": {
		with(`{"id":"a","task":"transcribe","parm":{}}`),
		"steps.a.parm", "is not a field of a pipeline or step",
	},
	"an unknown task": {with(`{"id":"a","task":"sing"}`), "steps.a.task", `"sing" does not exist`},
	"no task":         {with(`{"id":"a"}`), "steps.a.task", "is missing"},
	"an unknown model": {
		with(`{"id":"a","task":"transcribe","model":"x","audio":"${input.audio}"}`),
		"steps.a.model", "does not exist",
	},
	"unknown service": {with(`{"id":"a","task":"transcribe","service":"x"}`), "steps.a.service", `"x" does not exist`},
	"another's task": {
		with(`{"id":"a","task":"generate","service":"sounds"}`),
		"steps.a.task", `"generate" does not exist in service sounds`,
	},
	"unknown parameter": {
		with(`{"id":"a","task":"generate","params":{"prompt":"x","loud":1}}`),
		"steps.a.params.loud", "is not a parameter",
	},
	"a parameter's value": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","params":{"window_seconds":"${input.n}","beam_width":0}}`),
		"steps.a.params.beam_width", "must be from 1 to 1000",
	},
	"a parameter's type": {
		with(`{"id":"a","task":"generate","params":{"prompt":"${input.words}","seed":"${input.words}"}}`),
		"steps.a.params.seed", "must be a value of type integer, and ${input.words} is a string",
	},
	"a number for a whole one": {
		with(right + `,{"id":"b","task":"generate","params":{"prompt":"x","seed":"${steps.a.result.duration}"}}`),
		"steps.b.params.seed", "must be a value of type integer, and ${steps.a.result.duration} is a number",
	},
	"a text for a number": {with(`{"id":"a","task":"generate","params":{"prompt":"x","seed":"1${input.words}"}}`),
		"steps.a.params.seed", "a text with expressions is a string",
	},
	"a missing parameter": {
		with(`{"id":"a","task":"generate","params":{"seed":3}}`),
		"steps.a.params.prompt", "is missing",
	},
	"a missing recording": {
		with(`{"id":"a","task":"transcribe"}`),
		"steps.a.audio", "is missing; task transcribe needs a recording",
	},
	"no recording": {
		`{"steps":[{"id":"a","task":"transcribe","audio":"${input.audio}"}]}`,
		"steps.a.audio", "audio does not exist",
	},
	"a number to hear": {
		with(`{"id":"a","task":"transcribe","audio":"${input.n}"}`),
		"steps.a.audio", "must be the id of a recording, got a whole number",
	},
	"a field of a recording": {with(`{"id":"a","task":"transcribe","audio":{"audio_id":"${input.audio}","from":1}}`),
		"steps.a.audio.from", "is not a field of a recording",
	},
	"an unknown input": {
		with(`{"id":"a","task":"generate","params":{"prompt":"${input.word}"}}`),
		"steps.a.params.prompt", "word does not exist",
	},
	"an unknown step": {
		with(right + `,{"id":"b","task":"edit","audio":"${steps.c.audio}"}`),
		"steps.b.audio", "c does not exist",
	},
	"an unknown result": {with(right, `,"output":"${steps.a.result.txt}"`), "output", "txt does not exist"},
	"a list taken for one": {
		with(`{"id":"a","foreach":"${input.list}","task":"caption","audio":"${item}"}`, `,"output":"${steps.a.result.text}"`),
		"output", "does not support field selection",
	},
	"a cycle": {
		with(`{"id":"a","task":"edit","audio":"${steps.b.audio}"},{"id":"b","task":"edit","audio":"${steps.a.audio}"}`),
		"steps.a", "depends on itself: a needs b needs a",
	},
	"itself": {
		with(`{"id":"a","task":"edit","audio":"${steps.a.audio}"}`),
		"steps.a", "depends on itself: a needs a",
	},
	"a cycle by after": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","after":["b"]},{"id":"b","task":"edit","audio":"${steps.a.audio}"}`),
		"steps.a", "depends on itself",
	},
	"after an unknown one": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","after":["x"]}`),
		"steps.a.after", `names "x", which does not exist`,
	},
	"a condition's type": {
		with(`{"id":"a","if":"${input.n}","task":"transcribe","audio":"${input.audio}"}`),
		"steps.a.if", "must be true or false, got a whole number",
	},
	"a text as condition": {
		with(`{"id":"a","if":"input.n > 1","task":"transcribe","audio":"${input.audio}"}`),
		"steps.a.if", "must be an expression",
	},
	"a text to go through": {
		with(`{"id":"a","foreach":"${input.words}","task":"transcribe","audio":"${input.audio}"}`),
		"steps.a.foreach", "must be a list, got a string",
	},
	"an item of nothing": {
		with(`{"id":"a","task":"transcribe","audio":"${item}"}`),
		"steps.a.audio", "item does not exist",
	},
	"parallel without a list": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","parallel":3}`),
		"steps.a.parallel", "needs foreach",
	},
	"too many at once": {
		with(`{"id":"a","foreach":"${input.list}","task":"transcribe","audio":"${item}","parallel":300}`),
		"steps.a.parallel", "must be 1 to 64",
	},
	"a syntax error": {
		with(`{"id":"a","task":"transcribe","audio":"${input.}"}`),
		"steps.a.audio", "Syntax error",
	},
	"an open expression": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio"}`),
		"steps.a.audio", "has ${ without its }",
	},
	"types that do not fit": {
		with(`{"id":"a","task":"generate","params":{"prompt":"${input.words + input.n}"}}`),
		"steps.a.params.prompt", "found no matching overload",
	},
	"on_error": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","on_error":"retry"}`),
		"steps.a.on_error", "must be fail, skip or continue",
	},
	"a timeout": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","timeout":30}`),
		"steps.a", `must be a duration such as "30s"`,
	},
	"attempts": {
		with(`{"id":"a","task":"transcribe","audio":"${input.audio}","retry":{"attempts":99}}`),
		"steps.a.retry.attempts", "must be 1 to 20",
	},
	"a pipeline in it": {with(`{"id":"a","task":"run"}`), "steps.a.task", "a pipeline cannot run others"},
	"a schema": {
		`{"input":{"properties":{"n":{"type":"numbr"}}},"steps":[]}`,
		"input", "is not a JSON Schema",
	},
	"a costly expression": {with(right, `,"output":"${`+
		strings.Repeat("[0,1,2,3,4,5,6,7,8,9].map(x, ", 7)+`1`+strings.Repeat(")", 7)+`}"`), "output",
		"costs at least"},
}
