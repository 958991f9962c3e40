// Package audit records what operators did to the server, in the store of records. It knows
// neither HTTP nor what the operations do.
package audit
