package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestADrawing is compared with what it must be.
func TestADrawing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := Definition{Name: "a<b", Steps: []Step{
		{ID: "one", Task: "x"}, {ID: "two", Task: "y", Foreach: "${[1]}", After: []string{"one"}}, {ID: "three", Task: "z", If: "${true}"},
		{ID: "four", Task: "w", After: []string{"two", "three"}},
	}}
	states := []services.StepProgress{
		{ID: "one", Status: StepSucceeded}, {ID: "two", Status: StepRunning, Done: 1, Total: 4, Progress: 0.25},
		{ID: "three", Status: StepFailed, Error: `"no"`}, {ID: "four", Status: StepSkipped},
	}
	text, err := b.Draw(d, states, FormatMermaid)
	require.ErrorContains(t, err, "name must be")
	require.Empty(t, text)
	d.Name = "a"
	text, err = b.Draw(d, states, FormatMermaid)
	require.NoError(t, err)
	require.Equal(t, `flowchart LR
  s_one["one<br/>x"]
  s_two[["two<br/>y, 1 of 4"]]
  s_three{{"three<br/>z"}}
  s_four["four<br/>w"]
  s_one --> s_two
  s_three --> s_four
  s_two --> s_four
  classDef running fill:#dbeafe,stroke:#2563eb,color:#18181b
  class s_two running
  classDef succeeded fill:#dcfce7,stroke:#16a34a,color:#18181b
  class s_one succeeded
  classDef failed fill:#fee2e2,stroke:#dc2626,color:#18181b
  class s_three failed
  classDef skipped fill:#fafafa,stroke:#d4d4d8,color:#18181b
  class s_four skipped
`, text)
	states[0] = services.StepProgress{ID: "one", Status: StepRunning, Progress: 0.5}
	text, err = b.Draw(d, states, FormatSVG)
	require.NoError(t, err)
	for _, want := range []string{
		`viewBox="0 0 672 160" width="672" height="160"`, "<title>pipeline a</title>",
		`<path d="M192 42 C220 42 220 42 248 42"`, `<path d="M192 118 C220 118 452 42 480 42"`, `<path d="M424 42 C452 42 452 42 480 42"`,
		`<rect x="16" y="16" width="176" height="52" rx="6" fill="#dbeafe" stroke="#2563eb"/>`,
		`<rect x="16" y="64" width="88" height="4" fill="#2563eb"/>`,
		`<rect x="252" y="20" width="176" height="52" rx="6" fill="#dbeafe" stroke="#2563eb"/>`,
		`<rect x="248" y="64" width="44" height="4" fill="#2563eb"/>`, `<title>&quot;no&quot;</title>`,
		`<rect x="480" y="16" width="176" height="52" rx="6" fill="#fafafa" stroke="#d4d4d8" stroke-dasharray="4 3"/>`,
		`<text x="28" y="38" font-weight="600" fill="#18181b">one</text>`, `<text x="28" y="56" fill="#52525b">x, 50%</text>`,
	} {
		require.Contains(t, text, want)
	}
	text, err = b.Draw(d, nil, FormatSVG)
	require.NoError(t, err)
	require.Contains(t, text, "z, if")
	require.Contains(t, text, "y, for each")
	require.NotContains(t, text, "stroke-dasharray")
	_, err = b.Draw(d, nil, "png")
	require.ErrorContains(t, err, `format must be json, mermaid or svg, got "png"`)
}
