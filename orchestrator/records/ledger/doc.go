// Package ledger keeps a file beside a store of records that lists what the store must
// have. A comparison at the start finds every record that the store has lost, and every
// one that went back to an earlier state, because files were cut, damaged or removed.
//
// An entry is appended after the store has written a record, and before it deletes one.
// A process that is killed between the two steps therefore leaves records without an
// entry, which are added at the next start, and never an entry without its record.
package ledger
