package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/services"
)

// ModelImport names a checkpoint of PyTorch and the model to make of it.
type ModelImport struct {
	// Kind is one of ModelTools.ImportKinds; Sources are folders, files or repositories.
	Kind    string
	Sources []string
	// Name of the model. Precision and Python are empty for the defaults.
	Name, Precision, Python string
}

// ImportUI is how an import asks and reports.
type ImportUI struct {
	// Agree prints what will be done and reports whether it may. fetches is set if anything
	// is downloaded.
	Agree func(plan string, fetches bool) (bool, error)
	// Log is for the output of the programs that are run.
	Log io.Writer
	// Report is called while files are downloaded.
	Report func(file string, done, total int64)
}

func (e *environment) importCommand() *cobra.Command {
	var ask ModelImport
	yes := false
	c := &cobra.Command{
		Use:   "import [flags] KIND SOURCE...",
		Short: "Make a model of a checkpoint that exists for PyTorch only",
		Long: `Make a model of a checkpoint that exists for PyTorch only, and put it into the models
folder. This needs Python 3.9 or later. If it lacks PyTorch and onnx, an environment
is made in the data folder and its packages are fetched with pip. What will be
fetched is printed first, with its size where the hub says it, and asked about
unless --yes is given. The folder is tried before it is installed.

  audioldm CHECKPOINT     a folder, or a repository of the hub, as diffusers has it
  gama BASE TRAINED       the base model's folder and the file of trained weights`,
		Example: `  grym-synth import audioldm cvssp/audioldm-s-full-v2 --as audioldm-s
  grym-synth import audioldm ./checkpoint --as mine --python ./venv/bin/python --yes
  grym-synth import gama ./Llama-2-7b-chat-hf-qformer ./pytorch_model.bin --as gama`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			tools, err := e.Models(e.settings)
			if err != nil {
				return err
			}
			kinds := tools.ImportKinds()
			if !slices.Contains(kinds, args[0]) {
				return misusef("KIND must be %s, got %q", strings.Join(kinds, " or "), args[0])
			}
			if ask.Name == "" {
				return misusef("--as NAME is missing: the name of the model")
			}
			ask.Kind, ask.Sources = args[0], args[1:]
			return e.importModel(c.Context(), tools, ask, yes)
		},
	}
	c.Flags().StringVar(&ask.Name, "as", "", "`NAME` of the model")
	c.Flags().StringVar(&ask.Precision, "precision", "", "`PRECISION` of gama's decoder: q8, fp16 or fp32 (default q8)")
	c.Flags().StringVar(&ask.Python, "python", "", "`FILE` of the Python interpreter (default python3)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	_ = c.RegisterFlagCompletionFunc("as", cobra.NoFileCompletions)
	_ = c.RegisterFlagCompletionFunc("precision", cobra.FixedCompletions([]string{"q8", "fp16", "fp32"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// importModel imports a model. The output of pip and of the exporter goes to standard error.
func (e *environment) importModel(ctx context.Context, tools ModelTools, ask ModelImport, yes bool) error {
	shown := &transfer{out: e.streams.Err, bar: isTerminal(e.streams.Err)}
	made, err := tools.Import(ctx, ask, ImportUI{Log: e.streams.Err, Report: shown.show, Agree: func(plan string, fetches bool) (bool, error) {
		if _, err := fmt.Fprint(e.streams.Err, plan); err != nil || yes || !fetches {
			return err == nil, err
		}
		return e.agreed()
	}})
	shown.end()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.streams.Out, "%s imported: %d files of %s, precision %s\n",
		made.Name, made.Files, services.Bytes(made.Bytes), made.Precision)
	return err
}

// agreed asks whether to go on.
func (e *environment) agreed() (bool, error) {
	if !isTerminal(e.streams.In) {
		return false, misusef("--yes is missing: there is nobody to ask whether to fetch this")
	}
	if _, err := fmt.Fprint(e.streams.Err, "Go on? [y/N] "); err != nil {
		return false, err
	}
	answer, err := bufio.NewReader(e.streams.In).ReadString('\n')
	if err != nil && answer == "" {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	if answer != "y" && answer != "yes" {
		return false, fmt.Errorf("nothing was done")
	}
	return true, nil
}
