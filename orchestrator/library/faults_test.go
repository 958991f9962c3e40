package library_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// faultyLibrary is a library over a store of which a call fails.
type faultyLibrary struct {
	*library.Library
	db    *records.Database
	store *recordstest.Faulty
	long  string
	id    string // of a recording that alice has
}

func prepareFaults(t *testing.T, store *recordstest.Faulty) *faultyLibrary {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	f := &faultyLibrary{db: records.NewDatabase(store, log), store: store, long: strings.Repeat("long", 33<<10)}
	f.Library = library.New(library.DefaultConfig(), f.db, log)
	require.NoError(t, f.db.Start(t.Context()))
	require.True(t, f.db.AwaitReady(t.Context()))
	recording, err := f.save(f.long, "alice")
	require.NoError(t, err)
	f.id = recording.ID
	synctest.Wait()
	return f
}

func (f *faultyLibrary) save(content, owner string) (library.Recording, error) {
	in, err := f.Receive(context.Background(), strings.NewReader(content), library.About{Owner: owner})
	if err != nil {
		return library.Recording{}, err
	}
	recording, _, err := f.Save(context.Background(), in, owner)
	return recording, err
}

// content reads a recording as a caller.
func (f *faultyLibrary) content(caller services.Caller, id string) (string, error) {
	file, _, err := f.Open(context.Background(), caller, id)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	return string(content), err
}

// operations of a library in which alice has a recording, and checks of what they have done.
var operations = map[string]struct {
	do   func(f *faultyLibrary) error
	done func(t *testing.T, f *faultyLibrary)
}{
	"save": {
		func(f *faultyLibrary) error { _, err := f.save("new", "bob"); return err },
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			recording, err := f.save("new", "bob")
			require.NoError(t, err)
			content, err := f.content(services.Caller{Key: "bob"}, recording.ID)
			require.NoError(t, err)
			require.Equal(t, "new", content)
		},
	},
	"save what another has": {
		func(f *faultyLibrary) error { _, err := f.save(f.long, "bob"); return err },
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			content, err := f.content(services.Caller{Key: "bob"}, f.id)
			require.NoError(t, err)
			require.Equal(t, f.long, content)
		},
	},
	"import": {
		func(f *faultyLibrary) error {
			_, release, err := f.Import(context.Background(), memory("made"), library.About{Owner: "bob"})
			if err == nil {
				release()
			}
			return err
		},
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			page, err := f.List(t.Context(), services.Caller{Key: "bob"}, 10, "")
			require.NoError(t, err)
			require.Len(t, page.Data, 1)
		},
	},
	"keep": {
		func(f *faultyLibrary) error {
			id, err := f.KeepAudio(context.Background(), "bob", memory("talk"))
			if err == nil && len(id) != 64 {
				panic("it has no id")
			}
			return err
		},
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			_, err := f.save("talk", "bob")
			require.NoError(t, err)
		},
	},
	"delete": {
		func(f *faultyLibrary) error {
			err := f.Delete(context.Background(), alice, f.id)
			if services.KindOf(err) == services.KindNotFound {
				return nil // an earlier attempt has got that far
			}
			return err
		},
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			_, err := f.Describe(t.Context(), alice, f.id)
			require.Equal(t, services.KindNotFound, services.KindOf(err))
			time.Sleep(2 * time.Hour) // the sweep removes what a fault left
			synctest.Wait()
			names, err := f.store.Objects(t.Context())
			require.NoError(t, err)
			require.Empty(t, names)
			require.Zero(t, f.Bytes())
		},
	},
	"open": {
		func(f *faultyLibrary) error { _, err := f.content(alice, f.id); return err },
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			content, err := f.content(alice, f.id)
			require.NoError(t, err)
			require.Equal(t, f.long, content)
		},
	},
	"a source": {
		func(f *faultyLibrary) error {
			source, err := f.Source(context.Background(), f.id)
			if err != nil {
				return err
			}
			if source.ID() != f.id || source.Err() != nil {
				panic("it is another one")
			}
			file, err := source.Open()
			if err != nil {
				return err
			}
			defer file.Close()
			if _, err = io.ReadAll(file); err != source.Err() { //nolint:errorlint // the same one
				panic("the fault is not recorded")
			}
			return err
		},
		func(*testing.T, *faultyLibrary) {},
	},
	"use by an admin": {
		func(f *faultyLibrary) error {
			return f.Use(context.Background(), services.Caller{Key: "admin", All: true}, f.id)
		},
		func(t *testing.T, f *faultyLibrary) {
			t.Helper()
			_, err := f.content(services.Caller{Key: "admin"}, f.id)
			require.NoError(t, err)
		},
	},
}

// TestEachCallOfTheStoreCanFail has each call of each operation fail once. Either the operation
// returns the fault, and succeeds when it is repeated, or it has done what it should.
func TestEachCallOfTheStoreCanFail(t *testing.T) {
	t.Parallel()
	for name, c := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
				t.Helper()
				synctest.Test(t, func(t *testing.T) {
					f := prepareFaults(t, store)
					defer func() { require.NoError(t, f.db.Stop(context.Background())) }()
					fault := store.Arm(nth)
					err := c.do(f)
					store.Disarm()
					if err != nil {
						require.ErrorIs(t, err, fault)
						require.NoError(t, c.do(f), "again")
					}
					synctest.Wait()
					c.done(t, f)
					_, err = f.content(alice, f.id)
					if name == "delete" {
						require.Equal(t, services.KindNotFound, services.KindOf(err))
					} else {
						require.NoError(t, err, "what another has stays")
					}
				})
			})
		})
	}
}

func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, library.DefaultConfig().Validate())
	for want, change := range map[string]func(*library.Config){
		"":                                    func(c *library.Config) { c.TTL, c.Quota, c.Pictures = time.Minute, services.MiB, 0 },
		"ttl: must be at least 1m":            func(c *library.Config) { c.TTL = time.Minute - 1 },
		"quota: must be at least 1MiB":        func(c *library.Config) { c.Quota = services.MiB - 1 },
		"pictures: must not be negative, got": func(c *library.Config) { c.Pictures = -1 },
	} {
		cfg := library.DefaultConfig()
		change(&cfg)
		errs := cfg.Validate()
		if want == "" {
			require.Empty(t, errs)
			continue
		}
		require.Len(t, errs, 1)
		require.ErrorContains(t, errs[0], want)
	}
}
