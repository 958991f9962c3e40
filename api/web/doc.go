// Package web has what the handlers of every part of the API share: it reads forms and
// uploads, makes tasks of requests, negotiates the form of an answer, and writes sound
// and events.
package web
