// Package access keeps the API keys: it makes, lists, revokes and checks them.
// It knows scopes, not routes.
package access
