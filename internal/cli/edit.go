package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services/tasks"
)

func (e *environment) editCommand() *cobra.Command {
	w := &soundWork{task: tasks.Edit, route: "v1/audio/edits", done: "edited", params: make(map[string]any)}
	var operations, container, depth string
	var rate int
	c := &cobra.Command{
		Use:   "edit [flags] FILE|FOLDER|-...",
		Short: "Change recordings by a list of operations",
		Long: `Change recordings by a list of operations, in their order: trim, fade, gain,
filter, normalize, stretch and others, which docs/editing.md describes. The
operations are JSON, or a file with it. The work is done in this process, or by
a running server with --server. A recording is never overwritten.`,
		Example: `  grym-synth edit --ops '[{"op":"trim","start":1},{"op":"normalize","mode":"loudness"}]' -o cut.flac talk.wav
  grym-synth edit --ops clean.json --container flac --output cleaned/ talks/
  grym-synth edit --ops '{"op":"gain","gain_db":-3}' -o - talk.wav | aplay`,
		Args: recordingArgs, ValidArgsFunction: completeRecordings,
		RunE: func(c *cobra.Command, args []string) error {
			w.changed(c)
			list, err := readOperations(operations)
			if err != nil {
				return err
			}
			w.params["operations"] = list
			if extension := w.outputExtension(soundExtensions); extension != "" {
				if named := extension[1:]; container != "" && container != named {
					return misusef("--container %s does not fit --output %s", container, w.to)
				}
				container = extension[1:]
			}
			container = cmp.Or(container, "wav")
			w.params["container"], w.extension, w.accept = container, "."+container, "audio/*"
			if depth != "" {
				w.params["bit_depth"] = depth
			}
			if rate != 0 {
				w.params["sample_rate"] = rate
			}
			if w.to == "" {
				return misusef("edit needs --output FILE, DIR, or - for the standard output")
			}
			return e.runSound(c.Context(), w, args, soundExtensions)
		},
	}
	c.Flags().StringVar(&operations, "ops", "", "`OPERATIONS` as JSON, one or a list, or a FILE with them")
	c.Flags().StringVar(&container, "container", "", "`NAME` of the format of the result, such as flac (default by --output, else wav)")
	c.Flags().StringVar(&depth, "bit-depth", "", "`DEPTH` of the result: 16, 24, 32, float (default 16)")
	c.Flags().IntVar(&rate, "sample-rate", 0, "`HERTZ` of the result (default that after the operations)")
	w.bind(c, "the result")
	complete(c, "container", "wav", "flac", "pcm")
	complete(c, "bit-depth", "16", "24", "32", "float")
	complete(c, "sample-rate")
	return c
}

// soundExtensions are the extensions of files of sound, each of which is the name of a
// container too. The service knows which of them it can write.
var soundExtensions = []string{".wav", ".flac", ".pcm", ".mp3", ".opus", ".ogg", ".aac"}

// readOperations returns the operations in a text or in the file that it names, as a list.
func readOperations(text string) ([]json.RawMessage, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, misusef("edit needs operations: --ops '[{\"op\":\"trim\",\"end\":10}]', or a file with them")
	}
	data, from := []byte(text), "--ops"
	if !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		var err error
		if data, err = os.ReadFile(text); err != nil {
			return nil, misusef("--ops must be JSON or a file with it: %v", err)
		}
		data, from = bytes.TrimSpace(data), text
	}
	if bytes.HasPrefix(data, []byte("{")) {
		data = fmt.Appendf(nil, "[%s]", data)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, misusef("%s is not a JSON list of operations: %v", from, err)
	}
	if len(list) == 0 {
		return nil, misusef("%s has no operations", from)
	}
	return list, nil
}
