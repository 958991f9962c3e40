// Package access decides who is calling: it makes, lists, revokes and checks API
// keys, bounds bad ones by address, and finds the client behind trusted proxies.
// It knows scopes, not routes.
package access
