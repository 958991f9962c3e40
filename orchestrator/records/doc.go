// Package records stores small JSON records that are replaced by
// compare-and-set, and objects of any size. It holds the port to a store, the
// envelope of every record, and collections: typed records of one kind with an
// index in memory that follows the store.
package records
