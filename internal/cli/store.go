package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// StoreTools check, back up and restore the data folder of a server that does not run.
type StoreTools interface {
	// Check reads the whole store in a copy in the folder scratch.
	Check(ctx context.Context, scratch string) (StoreReport, error)
	// BackUp writes the data folder to a file, which must not exist.
	BackUp(ctx context.Context, file string) (StoreBackup, error)
	// Restore writes a backup to the data folder, which must be empty or missing.
	Restore(ctx context.Context, file string) (StoreBackup, error)
}

// StoreReport is what a check found.
type StoreReport struct {
	// Records by kind; Objects are stored sounds and results, of Bytes in total.
	Records map[string]int
	Objects int
	Bytes   int64
	// Noted is the number of records in the ledger, -1 if there is none.
	Noted  int
	Faults []string
}

// StoreBackup describes a backup.
type StoreBackup struct {
	Files   int
	Bytes   int64
	Created time.Time
}

func (e *environment) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Check, back up and restore the data of a stopped server",
		Long: `Check, back up and restore the data folder of a server that does not run. The
commands lock the folder, and fail while a server uses it.`,
		Example: `  grym-synth store check
  grym-synth store backup /backups/monday.tar
  grym-synth store restore /backups/monday.tar --data-dir /var/lib/grym-synth`,
		Args: subcommand, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return misusef("store needs a command; available: %s", strings.Join(available(c), ", "))
		},
	}
	c.AddCommand(e.storeCheck(), e.storeBackup(), e.storeRestore())
	return c
}

func (e *environment) storeCheck() *cobra.Command {
	var scratch string
	c := &cobra.Command{
		Use:   "check [flags]",
		Short: "Read every record, sound and result, and report faults",
		Long: `Read every record, sound and result of the store, and compare the records with
the ledger. Faults are printed, and the exit code is 1 if there are any. The
store is not changed: it is read in a copy, which needs as much disk space.`,
		Example: `  grym-synth store check
  grym-synth store check --data-dir /var/lib/grym-synth --scratch /mnt/large`,
		Args: none, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			tools, err := e.Store(e.settings)
			if err != nil {
				return err
			}
			if scratch == "" {
				scratch = os.TempDir()
			}
			report, err := tools.Check(c.Context(), scratch)
			if err != nil {
				return err
			}
			if err := report.print(e.streams.Out); err != nil {
				return err
			}
			if len(report.Faults) > 0 {
				return fmt.Errorf("the store has faults: %d", len(report.Faults))
			}
			return nil
		},
	}
	c.Flags().StringVar(&scratch, "scratch", "", "`DIR` for the copy (default the system's folder of temporary files)")
	_ = c.RegisterFlagCompletionFunc("scratch", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	return c
}

// print prints the report.
func (r StoreReport) print(out io.Writer) error {
	total := 0
	var text strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(r.Records)) {
		fmt.Fprintf(&text, "records of kind %s: %d\n", kind, r.Records[kind])
		total += r.Records[kind]
	}
	fmt.Fprintf(&text, "records: %d\n", total)
	if r.Noted >= 0 {
		fmt.Fprintf(&text, "records in the ledger: %d\n", r.Noted)
	} else {
		fmt.Fprintln(&text, "records in the ledger: there is no ledger yet")
	}
	fmt.Fprintf(&text, "sounds and results: %d, of %d bytes\nfaults: %d\n", r.Objects, r.Bytes, len(r.Faults))
	for _, fault := range r.Faults {
		fmt.Fprintf(&text, "  %s\n", fault)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// file returns an error unless there is one argument, a file.
func file(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misusef("store %s needs one file, got %d", c.Name(), len(args))
	}
	return nil
}

func (e *environment) storeBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the data folder to a file",
		Long: `Write the data folder to a tar file: jobs, recordings, conversations, the ledger,
API keys and the webhook secret. Models are left out. The file is read again to
compare its checksums, and has its name only when it is complete. It contains
secrets, and only its owner can read it.`,
		Example: "  grym-synth store backup /backups/monday.tar --data-dir /var/lib/grym-synth",
		Args:    file,
		RunE: func(c *cobra.Command, args []string) error {
			return e.store(c, args[0], "backed up", StoreTools.BackUp)
		},
	}
}

func (e *environment) storeRestore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Write a backup to an empty data folder",
		Long: `Write a backup to the data folder, which must be empty or missing. A damaged
backup is refused before anything is written. A server does not start in a
folder whose restore was interrupted; repeat it.`,
		Example: "  grym-synth store restore /backups/monday.tar --data-dir /var/lib/grym-synth",
		Args:    file,
		RunE: func(c *cobra.Command, args []string) error {
			return e.store(c, args[0], "restored", StoreTools.Restore)
		},
	}
}

// store runs a command with a file and prints its outcome.
func (e *environment) store(
	c *cobra.Command, file, done string, run func(StoreTools, context.Context, string) (StoreBackup, error),
) error {
	tools, err := e.Store(e.settings)
	if err != nil {
		return err
	}
	outcome, err := run(tools, c.Context(), file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.streams.Out, "%s: %d files of %d bytes, of %s\n", done, outcome.Files, outcome.Bytes,
		outcome.Created.Format(time.RFC3339))
	return err
}
