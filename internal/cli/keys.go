package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/grym-synth/grym-synth/internal/access"
)

// noKeyRoute is the error for managing the keys of another machine.
const noKeyRoute = "this command works on the keys in a data folder; run it on the server's machine with its --data-dir, " +
	"or use the console or /v1/keys"

func (e *environment) keysCommand() *cobra.Command {
	var server string
	c := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke API keys",
		Long: `Create, list and revoke the API keys in the data folder. A running server sees a
change with its next request. Keys of a server on another machine are managed
there, in its console or at /v1/keys.`,
		Example: `  grym-synth keys create --scopes use,read --expires 720h
  grym-synth keys list
  grym-synth keys revoke 0123456789ab`,
		Args: subcommand, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return misusef("keys needs a command; available: %s", strings.Join(available(c), ", "))
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if server != "" {
				return misusef("--server: %s", noKeyRoute)
			}
			return nil
		},
	}
	c.PersistentFlags().StringVar(&server, "server", "", "")
	_ = c.PersistentFlags().MarkHidden("server")
	c.AddCommand(e.keysCreate(), e.keysList(), e.keysRevoke())
	return c
}

func (e *environment) keysCreate() *cobra.Command {
	scopes := []access.Scope{access.ScopeUse}
	var life time.Duration
	var name string
	c := &cobra.Command{
		Use:   "create [flags]",
		Short: "Create an API key and print it",
		Long:  "Create an API key and print it. It cannot be printed again.",
		Example: `  grym-synth keys create
  grym-synth keys create --scopes read --expires 720h --name monitoring
  grym-synth keys create --scopes admin --data-dir /var/lib/grym-synth`,
		Args: none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			store, err := e.Keys(e.settings)
			if err != nil {
				return err
			}
			_, text, err := store.CreateNamed(name, scopes, life)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.streams.Out, text)
			return err
		},
	}
	c.Flags().Func("scopes", "`LIST` of the key's scopes: use, read, admin (default use)", func(list string) (err error) {
		if scopes, err = access.ParseScopes(list); err != nil {
			return fmt.Errorf("must be a list of use, read, admin, got %q", list)
		}
		return nil
	})
	c.Flags().Func("expires", "`DURATION` after which the key expires, such as 720h; 0 for never (default never)",
		func(text string) (err error) {
			if life, err = time.ParseDuration(text); err != nil || life < 0 {
				return fmt.Errorf("must be a non-negative duration such as 720h, got %q", text)
			}
			return nil
		})
	c.Flags().Func("name", "`NAME` of whose key it is, or what it is for", func(text string) error {
		name = text
		return access.CheckName(text)
	})
	complete(c, "scopes", "use", "read", "admin", "use,read")
	complete(c, "expires", "24h", "720h", "8760h")
	return c
}

func (e *environment) keysList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Print the API keys",
		Long:    "Print the API keys: id, scopes, when created, when they expire and names. The keys themselves are not stored.",
		Example: "  grym-synth keys list",
		Args:    none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			store, err := e.Keys(e.settings)
			if err != nil {
				return err
			}
			return listKeys(store, e.streams.Out)
		},
	}
}

func (e *environment) keysRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API key", Long: "Revoke an API key. A running server refuses it from the next request on.",
		Example: "  grym-synth keys revoke 0123456789ab",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misusef("keys revoke needs one key id, got %d; keys list prints the ids", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			store, err := e.Keys(e.settings)
			if err != nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			keys, _ := store.List()
			ids := make([]string, 0, len(keys))
			for _, key := range keys {
				ids = append(ids, key.ID)
			}
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := e.Keys(e.settings)
			if err != nil {
				return err
			}
			err = store.Revoke(args[0])
			if errors.Is(err, access.ErrNoSuchKey) {
				return fmt.Errorf("no key has the id %q; keys list prints the ids", args[0])
			}
			return err
		},
	}
}

func listKeys(store *access.Store, out io.Writer) error {
	keys, err := store.List()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSCOPES\tCREATED\tEXPIRES\tNAME")
	for _, key := range keys {
		expires, name := "never", "-"
		if key.Name != "" {
			name = key.Name
		}
		if !key.Expires.IsZero() {
			expires = key.Expires.Format(time.RFC3339)
		}
		scopes := strings.Trim(fmt.Sprint(key.Scopes), "[]")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", key.ID, scopes, key.Created.Format(time.RFC3339), expires, name)
	}
	return table.Flush()
}
