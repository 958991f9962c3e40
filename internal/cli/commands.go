package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// environment is what every command is built from.
type environment struct {
	*Program
	streams        Streams
	restoreSignals func()
	settings       Settings
}

// newRoot returns the command tree.
func newRoot(program *Program, restoreSignals func(), streams Streams) *cobra.Command {
	e := &environment{Program: program, streams: streams, restoreSignals: restoreSignals, settings: Settings{Values: make(map[string]string)}}
	var version bool
	root := &cobra.Command{
		Use:   name + " [flags]",
		Short: "Serve audio jobs over HTTP, in one process",
		Long:  name + " serves audio jobs over HTTP, in one process. Without a command it serves.",
		Example: `  grym-synth --listen 127.0.0.1:8080
  grym-synth transcribe talk.mp3
  grym-synth help transcribe`,
		Args:              subcommand,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if version {
				return e.version(c, nil)
			}
			return e.serve(c, nil)
		},
		SilenceErrors: true, SilenceUsage: true, // Main prints them
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // it includes PowerShell
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(flagError)
	root.Flags().BoolVar(&version, "version", false, "print the version")
	flags := root.PersistentFlags()
	flags.StringVar(&e.settings.File, "config", "", "`FILE` of settings in YAML; config.yaml in the sources has them all")
	e.setting("listen", "api.listen", "`ADDR` to listen on, as host:port; port 0 picks one (default 127.0.0.1:8080)", root)
	e.setting("data-dir", "dataDir", "`DIR` in which the server keeps its data (default ./data)", root)
	_ = root.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
	_ = root.RegisterFlagCompletionFunc("listen", cobra.NoFileCompletions)
	_ = root.RegisterFlagCompletionFunc("data-dir", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	root.AddCommand(
		e.serveCommand(), e.transcribeCommand(), e.analyzeCommand(), e.editCommand(), e.drawCommand(), e.batchCommand(), e.runCommand(),
		e.pullCommand(), e.importCommand(), e.modelsCommand(), e.configCommand(), e.keysCommand(), e.storeCommand(),
		e.healthcheckCommand(), e.versionCommand(), e.completionCommand(),
	)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	for _, c := range append(root.Commands(), root) {
		describeHelp(c)
	}
	return root
}

// describeHelp sets the text of the help flag of a command and of those below it.
func describeHelp(c *cobra.Command) {
	c.Flags().BoolP("help", "h", false, "print this help")
	c.DisableFlagsInUseLine = true
	if c.HasParent() {
		for _, below := range c.Commands() {
			describeHelp(below)
		}
	}
}

// setting adds a flag that sets a configuration key.
func (e *environment) setting(flag, key, usage string, c *cobra.Command) {
	c.PersistentFlags().Func(flag, usage, func(value string) error {
		e.settings.Values[key] = value
		return nil
	})
}

func (e *environment) serve(c *cobra.Command, _ []string) error {
	return e.Serve(c.Context(), e.restoreSignals, e.settings)
}

func (e *environment) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve until SIGTERM or SIGINT",
		Long:  "Serve until SIGTERM or SIGINT, then finish running requests. A second signal kills the process.",
		Example: `  grym-synth serve
  grym-synth serve --listen 0.0.0.0:8080 --data-dir /var/lib/grym-synth
  grym-synth serve --config grym-synth.yaml`,
		Args: none, ValidArgsFunction: cobra.NoFileCompletions, RunE: e.serve,
	}
}

func (e *environment) configCommand() *cobra.Command {
	var origins bool
	c := &cobra.Command{
		Use:   "config [flags]",
		Short: "Print every setting in force",
		Long:  "Print every setting in force as YAML, in the form of a configuration file. Secrets are masked.",
		Example: `  grym-synth config > grym-synth.yaml
  grym-synth config --config grym-synth.yaml --origins`,
		Args: none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error { return e.WriteConfig(e.settings, origins, e.streams.Out) },
	}
	c.Flags().BoolVar(&origins, "origins", false, "print a line for each setting, with its origin: default, file, variable or flag")
	return c
}

func (e *environment) version(*cobra.Command, []string) error {
	_, err := fmt.Fprintln(e.streams.Out, e.Version)
	return err
}

func (e *environment) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Print the version, the commit and the platform of this build.",
		Example: "  grym-synth version\n  grym-synth --version",
		Args:    none, ValidArgsFunction: cobra.NoFileCompletions, RunE: e.version,
	}
}

func (e *environment) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes commands, flags and files in a shell",
		Long: `Print a script that completes commands, flags and files in a shell.
Bash needs version 4.1 or later and the package bash-completion.`,
		Example: `  source <(grym-synth completion bash)
  grym-synth completion zsh > "${fpath[1]}/_grym-synth"
  grym-synth completion fish > ~/.config/fish/completions/grym-synth.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misusef("completion needs one shell; available: %s", strings.Join(shells, ", "))
			}
			return known("shell", args[0], shells)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(e.streams.Out, true)
			case "zsh":
				return c.Root().GenZshCompletion(e.streams.Out)
			default:
				return c.Root().GenFishCompletion(e.streams.Out, true)
			}
		},
	}
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Print the help of a command", Long: "Print the help of a command, or of the whole program.",
		Example: "  grym-synth help transcribe\n  grym-synth help keys create",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return available(of), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return known("command", rest[0], available(of))
			}
			return of.Help()
		},
	}
}
