package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services"
)

// ModelTools pull, list, verify and remove the models in the models folder. A running
// server sees the changes at once.
type ModelTools interface {
	// Known returns the models of the catalogue.
	Known() ([]KnownModel, error)
	// Pull downloads a model of the catalogue, or a repository of the model hub.
	Pull(ctx context.Context, pull ModelPull, report func(file string, done, total int64)) (PulledModel, error)
	// ImportKinds returns the kinds of checkpoint that Import takes, and Import makes a model
	// of one.
	ImportKinds() []string
	Import(ctx context.Context, ask ModelImport, ui ImportUI) (PulledModel, error)
	// List returns the embedded models and those in the folder.
	List() ([]StoredModel, error)
	// Verify reads the files of a model and returns a sentence for each that is wrong.
	Verify(ctx context.Context, name string, report func(done, total int64)) ([]string, error)
	// Remove deletes a model from the folder.
	Remove(name string) error
}

// KnownModel is a model of the catalogue.
type KnownModel struct {
	Name, Source, Task, License, About string
	Languages                          []string
	Parameters                         int64
}

// ModelPull names a model to pull, and its name and precision if they are not empty.
type ModelPull struct{ Source, Name, Precision string }

// PulledModel is a model in the folder.
type PulledModel struct {
	Name, Revision, Precision string
	Files                     int
	Bytes                     int64
	Present                   bool
}

// StoredModel is a model that the server can use.
type StoredModel struct {
	Name, Origin, Type, Source, Revision, Precision, License string
	Bytes                                                    int64
	Pulled                                                   time.Time
	Problem                                                  string
}

func (e *environment) pullCommand() *cobra.Command {
	var pull ModelPull
	c := &cobra.Command{
		Use:   "pull [flags] [NAME|OWNER/REPO[@REVISION]]",
		Short: "Download a model, or list the known ones",
		Long: `Download a model of the catalogue, or any repository of the model hub whose graphs
are ONNX, to the models folder, where a running server finds it at once. Only the
files that services read are downloaded, in one precision, and compared with the
hub's hashes. A pull that was interrupted goes on with the same command. Without
an argument, the models of the catalogue are printed.

HF_ENDPOINT is the address of the hub, HF_TOKEN a token for gated and private
repositories, and HF_HUB_OFFLINE=1 refuses to download. HTTPS_PROXY is used.`,
		Example: `  grym-synth pull
  grym-synth pull wav2vec2-base-960h
  grym-synth pull Xenova/wav2vec2-base-960h@main --precision int8 --as speech`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			tools, err := e.Models(e.settings)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return e.printKnown(tools)
			}
			pull.Source = args[0]
			return e.pull(c.Context(), tools, pull)
		},
	}
	c.Flags().StringVar(&pull.Name, "as", "", "`NAME` of the model (default that of the catalogue, or owner--repo)")
	c.Flags().StringVar(&pull.Precision, "precision", "",
		"`PRECISION`: fp32, fp16, int8, uint8, q4f16, q4 or bnb4 (default the best that fits into the memory)")
	_ = c.RegisterFlagCompletionFunc("as", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("precision", cobra.FixedCompletions(
		[]string{"fp32", "fp16", "int8", "uint8", "q4f16", "q4", "bnb4"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// printKnown prints the catalogue.
func (e *environment) printKnown(tools ModelTools) error {
	known, err := tools.Known()
	if err != nil {
		return err
	}
	return table(e.streams.Out, "NAME\tTASK\tWEIGHTS\tLICENSE\tLANGUAGES\tGOOD FOR", func(line func(...any)) {
		for _, m := range known {
			line(m.Name, m.Task, fmt.Sprintf("%d M", (m.Parameters+500_000)/1_000_000), m.License, strings.Join(m.Languages, " "), m.About)
		}
	})
}

// table prints lines of cells under a heading.
func table(out io.Writer, heading string, fill func(line func(cells ...any))) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, heading)
	fill(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, cell := range cells {
			if texts[i] = fmt.Sprint(cell); texts[i] == "" {
				texts[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(texts, "\t"))
	})
	return w.Flush()
}

// pull downloads a model and prints its progress to standard error.
func (e *environment) pull(ctx context.Context, tools ModelTools, pull ModelPull) error {
	shown := &transfer{out: e.streams.Err, bar: isTerminal(e.streams.Err)}
	pulled, err := tools.Pull(ctx, pull, shown.show)
	shown.end()
	if err != nil {
		return err
	}
	what := "pulled"
	if pulled.Present {
		what = "is there already:"
	}
	_, err = fmt.Fprintf(e.streams.Out, "%s %s %d files of %s, revision %s, precision %s\n",
		pulled.Name, what, pulled.Files, services.Bytes(pulled.Bytes), pulled.Revision, pulled.Precision)
	return err
}

// transfer prints the progress of a download: a line that changes on a terminal, a line for
// each file otherwise.
type transfer struct {
	out     io.Writer
	bar     bool
	file    string
	percent int64
}

// show prints the progress if it has changed.
func (t *transfer) show(file string, done, total int64) {
	percent := 100 * done / max(total, 1)
	if file == t.file && (percent == t.percent || !t.bar) {
		return
	}
	t.file, t.percent = file, percent
	format := "%3d %% of %s, %s\n"
	if t.bar {
		format = "\r\x1b[K%3d %% of %s, %s"
	}
	_, _ = fmt.Fprintf(t.out, format, percent, services.Bytes(total), file) // the work is more important
}

// end ends the line.
func (t *transfer) end() {
	if t.bar && t.file != "" {
		_, _ = fmt.Fprintln(t.out) // the work is more important
	}
}

func (e *environment) modelsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "models",
		Short: "List, show, verify and remove models",
		Long:  "List the models that the server can use, and verify or remove those in the models folder.",
		Example: `  grym-synth models list
  grym-synth models verify wav2vec2-base-960h
  grym-synth models remove wav2vec2-base-960h`,
		Args: subcommand, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return misusef("models needs a command; available: %s", strings.Join(available(c), ", "))
		},
	}
	c.AddCommand(e.modelsList(), e.modelsShow(), e.modelsVerify(), e.modelsRemove())
	return c
}

func (e *environment) modelsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models",
		Long:    "List the embedded models and those in the models folder. Standard error has the reason of each that cannot be served.",
		Example: "  grym-synth models list\n  grym-synth models list --data-dir /var/lib/grym-synth",
		Args:    none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			models, err := e.storedModels()
			if err != nil {
				return err
			}
			err = table(e.streams.Out, "NAME\tORIGIN\tTYPE\tSIZE\tPRECISION\tSOURCE", func(line func(...any)) {
				for _, m := range models {
					line(m.Name, m.Origin, m.Type, services.Bytes(m.Bytes), m.Precision, m.Source)
				}
			})
			for _, m := range models {
				if m.Problem != "" {
					fmt.Fprintln(e.streams.Err, m.Problem)
				}
			}
			return err
		},
	}
}

// storedModels returns the models.
func (e *environment) storedModels() ([]StoredModel, error) {
	tools, err := e.Models(e.settings)
	if err != nil {
		return nil, err
	}
	return tools.List()
}

func (e *environment) modelsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print what is known of a model", Long: "Print where a model is from, its size and its problem, if it has one.",
		Example: "  grym-synth models show wav2vec2-tiny\n  grym-synth models show wav2vec2-base-960h",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			models, err := e.storedModels()
			if err != nil {
				return err
			}
			var names []string
			for _, m := range models {
				if m.Name == args[0] {
					return m.print(e.streams.Out)
				}
				names = append(names, m.Name)
			}
			return known("model", args[0], names)
		},
	}
}

// print prints the model, a line for each thing that is known.
func (m StoredModel) print(out io.Writer) error {
	pulled := ""
	if !m.Pulled.IsZero() {
		pulled = m.Pulled.Format(time.RFC3339)
	}
	var text strings.Builder
	for _, line := range [][2]string{
		{"name", m.Name}, {"origin", m.Origin}, {"type", m.Type}, {"size", services.Bytes(m.Bytes).String()}, {"source", m.Source},
		{"revision", m.Revision}, {"precision", m.Precision}, {"license", m.License}, {"pulled", pulled}, {"problem", m.Problem},
	} {
		if line[1] != "" {
			fmt.Fprintf(&text, "%s: %s\n", line[0], line[1])
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func (e *environment) modelsVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify NAME", Short: "Compare the files of a pulled model with their hashes",
		Long: `Compare the files of a pulled model with the hashes that were written when it was
pulled. The exit code is 1 if a file is wrong.`,
		Example: "  grym-synth models verify wav2vec2-base-960h\n  grym-synth models verify speech --data-dir /var/lib/grym-synth",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			tools, err := e.Models(e.settings)
			if err != nil {
				return err
			}
			shown := &transfer{out: e.streams.Err, bar: isTerminal(e.streams.Err)}
			faults, err := tools.Verify(c.Context(), args[0], func(done, total int64) { shown.show(args[0], done, total) })
			shown.end()
			if err != nil {
				return err
			}
			for _, fault := range faults {
				fmt.Fprintln(e.streams.Out, fault)
			}
			if len(faults) > 0 {
				return fmt.Errorf("%s has faults: %d; pull it again", args[0], len(faults))
			}
			_, err = fmt.Fprintf(e.streams.Out, "%s is as it was pulled\n", args[0])
			return err
		},
	}
}

func (e *environment) modelsRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Delete a model from the models folder",
		Long:    "Delete a model from the models folder. A server that has it loaded keeps it in memory until it is unloaded.",
		Example: "  grym-synth models remove wav2vec2-base-960h\n  grym-synth models remove speech --data-dir /var/lib/grym-synth",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			tools, err := e.Models(e.settings)
			if err != nil {
				return err
			}
			if err := tools.Remove(args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.streams.Out, "%s removed\n", args[0])
			return err
		},
	}
}
