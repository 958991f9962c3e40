package command

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/grym-synth/grym-synth/internal/access"
)

// Keys does one of the keys commands: create, list, revoke. A running server
// sees the change with its next request.
func Keys(store *access.Store, args []string, scopes string, life time.Duration, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "create":
		parsed, err := access.ParseScopes(scopes)
		if err != nil {
			return err
		}
		if life < 0 {
			return fmt.Errorf("expires: must not be negative, got %s", life)
		}
		_, text, err := store.Create(parsed, life)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text)
		return err
	case len(args) == 1 && args[0] == "list":
		return list(store, out)
	case len(args) == 2 && args[0] == "revoke":
		return store.Revoke(args[1])
	}
	return fmt.Errorf("keys takes create, list or revoke ID, got %q", strings.Join(args, " "))
}

func list(store *access.Store, out io.Writer) error {
	keys, err := store.List()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSCOPES\tCREATED\tEXPIRES")
	for _, key := range keys {
		expires := "never"
		if !key.Expires.IsZero() {
			expires = key.Expires.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", key.ID, strings.Trim(fmt.Sprint(key.Scopes), "[]"), key.Created.Format(time.RFC3339), expires)
	}
	return table.Flush()
}
