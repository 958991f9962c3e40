package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// contentJSON is the content type of JSON.
const contentJSON = "application/json"

func (e *environment) analyzeCommand() *cobra.Command {
	w := &soundWork{task: tasks.Analyze, route: "v1/audio/analyses", accept: contentJSON, extension: ".json", done: "analyzed",
		params: make(map[string]any)}
	var format string
	var features, series []string
	c := &cobra.Command{
		Use:   "analyze [flags] FILE|FOLDER|-...",
		Short: "Measure recordings",
		Long: `Measure levels, loudness, silence, spectrum, onsets, tempo, pitch and more of
recordings, and print the values or write them to files as JSON. A folder stands
for all audio files below it, by their names; - is the standard input. The work
is done in this process, or by a running server with --server.`,
		Example: `  grym-synth analyze talk.wav
  grym-synth analyze --features loudness,key --format json song.flac
  grym-synth analyze --series pitch,rms --output measured/ talks/`,
		Args: recordingArgs, ValidArgsFunction: completeRecordings,
		RunE: func(c *cobra.Command, args []string) error {
			w.changed(c)
			for name, list := range map[string][]string{"features": features, "series": series} {
				if len(list) > 0 {
					w.params[name] = list
				}
			}
			switch {
			case format == tasks.FormatText:
				w.print = printReport
			case format == tasks.FormatJSON:
				w.print = printJSON
			default:
				return misusef("--format must be one of text, json, got %q", format)
			}
			return e.runSound(c.Context(), w, args, []string{".json"})
		},
	}
	c.Flags().StringSliceVar(&features, "features", nil,
		"`NAMES` of what is measured, separated by commas (default all but chroma, key, noise)")
	c.Flags().StringSliceVar(&series, "series", nil, "`NAMES` of series over time, such as pitch, rms, mel")
	c.Flags().StringVar(&format, "format", tasks.FormatText, "`FORMAT` of what is printed: text, json")
	w.bind(c, "the values")
	complete(c, "format", tasks.FormatText, tasks.FormatJSON)
	complete(c, "features")
	complete(c, "series")
	return c
}

// printJSON prints a JSON object on one line, with the recording's name first if there are
// several.
func printJSON(out io.Writer, r *recording, result io.Reader, several bool) error {
	text, err := readResult(result)
	if err != nil {
		return err
	}
	if several {
		path, err := json.Marshal(r.path)
		if err != nil {
			return err
		}
		text = fmt.Sprintf(`{"file":%s,%s`, path, strings.TrimPrefix(text, "{"))
	}
	_, err = fmt.Fprintln(out, strings.TrimSpace(text))
	return err
}

// readResult reads a result of limited size.
func readResult(result io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(result, maxAnswerBytes+1))
	if err == nil && len(text) > maxAnswerBytes {
		err = fmt.Errorf("the result is longer than %d bytes", maxAnswerBytes)
	}
	return string(text), err
}

// printReport prints a JSON object as lines, with the recording's name first if there are
// several.
func printReport(out io.Writer, r *recording, result io.Reader, several bool) error {
	text, err := readResult(result)
	if err != nil {
		return err
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return fmt.Errorf("the result is not JSON: %w", err)
	}
	if several {
		if _, err := fmt.Fprintln(out, r.path); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, section := range slices.Sorted(maps.Keys(report)) {
		reportLines(table, section, report[section])
	}
	return table.Flush()
}

// maxShown is the largest number of elements of a list that are printed.
const maxShown = 20

// reportLines prints a value as lines of a name and a value.
func reportLines(out io.Writer, name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			reportLines(out, name+"."+key, v[key])
		}
	case []any:
		if len(v) > maxShown {
			fmt.Fprintf(out, "%s\t%d values\n", name, len(v))
			return
		}
		texts := make([]string, len(v))
		for i, one := range v {
			texts[i] = shortText(one)
		}
		fmt.Fprintf(out, "%s\t%s\n", name, strings.Join(texts, " "))
	default:
		fmt.Fprintf(out, "%s\t%s\n", name, shortText(v))
	}
}

// shortText returns a value on one line, numbers with six digits.
func shortText(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case float64:
		return fmt.Sprintf("%.6g", v)
	case string:
		return v
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+"="+shortText(v[key]))
		}
		return "(" + strings.Join(parts, " ") + ")"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
