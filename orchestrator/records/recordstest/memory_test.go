package recordstest

import "testing"

func TestTheStoreInMemory(t *testing.T) { Conform(t, NewMemory()) }
