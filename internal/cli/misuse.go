package cli

import (
	"errors"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// none returns an error if there are arguments.
func none(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misusef("%s takes no argument, got %q", c.Name(), args[0])
	}
	return nil
}

// subcommand returns an error for an argument that is not a command below c.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return known("command", args[0], available(c))
	}
	return nil
}

// available returns the names of the commands below c.
func available(c *cobra.Command) []string {
	var names []string
	for _, below := range c.Commands() {
		if !below.Hidden {
			names = append(names, below.Name())
		}
	}
	return names
}

// known returns an error unless typed is one of the names. It suggests the nearest name, or
// lists all of them.
func known(kind, typed string, names []string) error {
	for _, candidate := range names {
		if candidate == typed {
			return nil
		}
	}
	if meant, ok := nearest(typed, names); ok {
		return misusef("unknown %s %q; did you mean %q?", kind, typed, meant)
	}
	if len(names) == 0 {
		return misusef("unknown %s %q", kind, typed)
	}
	return misusef("unknown %s %q; available: %s", kind, typed, strings.Join(names, ", "))
}

// nearest returns the name that was probably meant: one that begins with typed, or the one
// with the smallest edit distance, at most a third of its length.
func nearest(typed string, names []string) (string, bool) {
	best, distance := "", len(typed)/3+1
	for _, candidate := range names {
		if len(typed) >= 2 && strings.HasPrefix(candidate, typed) {
			return candidate, true
		}
		if d := levenshtein.Distance(strings.ToLower(typed), candidate, nil); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// flagError returns a readable error for one of pflag's.
func flagError(c *cobra.Command, err error) error {
	// The flags of a mistyped command are unknown too, but the command is the mistake.
	if c.HasSubCommands() && c.Flags().NArg() > 0 {
		if unknown := subcommand(c, c.Flags().Args()); unknown != nil {
			return unknown
		}
	}
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		typed, dashes := unknown.GetSpecifiedName(), "--"
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			typed, dashes = short, "-"
		}
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if meant, ok := nearest(typed, names); ok {
			return misusef("unknown flag %q; did you mean %q?", dashes+typed, "--"+meant)
		}
		return misusef("unknown flag %q", dashes+typed)
	case errors.As(err, &missing):
		return misusef("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool":
		return misusef("--%s must be true or false, got %q", invalid.GetFlag().Name, invalid.GetValue())
	case errors.As(err, &invalid):
		return misusef("--%s %v", invalid.GetFlag().Name, invalid.Unwrap())
	}
	return misusef("%v", err)
}

// complete registers the completions of a flag, without files.
func complete(c *cobra.Command, flag string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// doubleDashes replaces a single dash before long flags, as in -format srt, which releases
// before 0.2 accepted.
func doubleDashes(root *cobra.Command, args []string) []string {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		return args
	}
	takesValue := make(map[string]bool) // by the flag's name
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		note := func(f *pflag.Flag) { takesValue[f.Name] = f.NoOptDefVal == "" }
		c.Flags().VisitAll(note)
		c.PersistentFlags().VisitAll(note)
		for _, below := range c.Commands() {
			visit(below)
		}
	}
	visit(root)
	changed := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(changed, args[i:]...)
		}
		flag, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		value, isFlag := takesValue[flag]
		isFlag = isFlag && strings.HasPrefix(arg, "-")
		if isFlag && !strings.HasPrefix(arg, "--") {
			arg = "-" + arg
		}
		changed = append(changed, arg)
		if isFlag && value && !hasValue && i+1 < len(args) {
			i++
			changed = append(changed, args[i])
		}
	}
	return changed
}
