// Package web has what the handlers of the API share: it reads forms and uploads, builds
// tasks from requests, negotiates content types, and writes audio and events.
package web
