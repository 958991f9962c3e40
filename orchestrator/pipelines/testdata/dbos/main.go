// Command dbosbench runs workflows of ten steps that do nothing with DBOS Transact on SQLite,
// and prints the time of each in nanoseconds. Its arguments are a folder, the number of
// workflows, and SQLite's mode of synchronous: FULL syncs every commit, NORMAL, which is the
// default of DBOS, does not.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite"
)

func ten(ctx dbos.Context, n int) (int, error) {
	for i := range 10 {
		v, err := dbos.RunAsStep(ctx, func(context.Context) (int, error) { return n + i, nil })
		if err != nil {
			return 0, err
		}
		n = v
	}
	return n, nil
}

func main() {
	rounds, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	database := "sqlite:file:" + os.Args[1] + "/dbos.db?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)" +
		"&_pragma=busy_timeout(5000)&_pragma=synchronous(" + os.Args[3] + ")"
	ctx, err := dbos.NewContext(context.Background(), dbos.Config{DatabaseURL: database, AppName: "bench"})
	if err != nil {
		panic(err)
	}
	dbos.RegisterWorkflow(ctx, ten)
	if err := dbos.Launch(ctx); err != nil {
		panic(err)
	}
	for i := range rounds {
		began := time.Now()
		h, err := dbos.RunWorkflow(ctx, ten, i)
		if err != nil {
			panic(err)
		}
		if _, err := h.GetResult(); err != nil {
			panic(err)
		}
		fmt.Println(time.Since(began).Nanoseconds())
	}
	dbos.Shutdown(ctx, time.Second)
}
