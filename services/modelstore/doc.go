// Package modelstore manages model folders. A Catalog finds folders, embedded and on
// disk. A Pool loads a folder on first use, shares it between tasks, and unloads it
// when the memory budget needs its memory. The content of a folder is interpreted by
// the services.
package modelstore
