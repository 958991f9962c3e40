package cli

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutputsStayInTheirFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from string
		number     int
		want       string
	}{
		{"a/one.wav", "one.srt", 0, "a/one.srt"},
		{"a/one.wav", "one-2.flac", 1, "a/one-2.flac"},
		{"../../etc/passwd", "passwd.json", 0, "etc/passwd.json"},
		{`..\..\x.wav`, "x.txt", 0, "x.txt"},
		{"/abs/x.wav", "x.txt", 0, "abs/x.txt"},
		{"", "item-00007.json", 0, "item-00007.json"},
		{"a/..", "x.json", 0, "item-00007.json"},
		{"x.wav", "../../x.json", 0, "x.json"},
	} {
		require.Equal(t, c.want, outputName(resultLine{Item: 7, Name: c.name}, c.number, c.from), "%+v", c)
	}
}

func TestWhatABatchAsksFor(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]manyJobs{
		`{"task":"transcribe"}`: {name: "transcribe"},
		`{"task":"ask","params":{"a":1.50,"b":"x y","c":[true],"d":"","e":"1 2","model":"m"},"priority":"low","labels":{"k":"v=w"}}`: {
			name: "ask", model: "m", priority: "low", params: []string{"a=1.50", "b=x y", "c=[true]", "d=", "e=1 2"}, labels: []string{"k=v=w"},
		},
		`{"service":"pipelines","task":"run","params":{"pipeline":"p"}}`: {name: "p", pipeline: true},
		`{"service":"pipelines","task":"run","params":{"pipeline":"p","input":{"prompt":"x"}}}`: {
			name: "p", pipeline: true, params: []string{"prompt=x"},
		},
	} {
		r, err := b.request()
		require.NoError(t, err)
		got, err := json.Marshal(r)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
	for _, b := range []manyJobs{{params: []string{"x"}}, {params: []string{"=x"}}, {labels: []string{"x"}}} {
		_, err := b.request()
		require.Error(t, err)
	}
}

func TestMisuseOfBatches(t *testing.T) {
	t.Parallel()
	in := folder(t, "a.wav")
	var c called
	for _, args := range [][]string{
		{"batch"}, {"batch", "transcribe"}, {"run"}, {"batch", "transcribe", "-"}, {"batch", "--force", "transcribe", in},
		{"batch", "--param", "x", "transcribe", in}, {"run", "--model", "m", "p", in},
	} {
		require.Equal(t, ExitMisuse, run(t, &c, args...).code, args)
	}
	require.Equal(t, ExitFailure, run(t, &c, "batch", "transcribe", in+"/none.wav").code)
}
