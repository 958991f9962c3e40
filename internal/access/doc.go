// Package access identifies callers: it creates, lists, revokes and checks API keys, limits
// invalid keys per address, and finds the client behind trusted proxies. It knows scopes,
// not routes.
package access
