// Package modelstore knows which model folders there are and which of them are
// loaded. The Catalog finds folders, embedded and on disk; a Pool loads a
// folder on first use, shares it between tasks, and unloads it when the memory
// budget asks for the room. What is inside a folder is the services' business.
package modelstore
