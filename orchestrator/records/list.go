package records

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Query selects records of a list.
type Query[T any] struct {
	// Matches reports whether a record belongs to the list; nil for all.
	Matches func(T) bool
	// From excludes records created before it; zero excludes none.
	From time.Time
	// Limit of the page, at least 1; Cursor is Next of the previous page.
	Limit  int
	Cursor string
}

// Page is a part of a list, the newest record first.
type Page[T any] struct {
	Data []T
	// Next is the cursor of the next page, empty on the last one.
	Next string
}

// List returns a page of the records in the index. Records created or deleted between
// two pages do not shift them.
func (c *Collection[T]) List(q Query[T]) (page Page[T], err error) {
	before, err := parseCursor[T](q.Cursor)
	if err != nil {
		return page, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := len(c.ordered)
	if before != nil {
		at = sort.Search(len(c.ordered), func(i int) bool { return byCreation(c.ordered[i], before) >= 0 })
	}
	var last Meta
	for i := at - 1; i >= 0; i-- {
		e := c.ordered[i]
		if !q.From.IsZero() && e.meta.Created.Before(q.From) {
			break // all others are older
		}
		if q.Matches != nil && !q.Matches(e.Value) {
			continue
		}
		if len(page.Data) == q.Limit {
			page.Next = cursorOf(last)
			break
		}
		page.Data, last = append(page.Data, e.Value), e.meta
	}
	return page, nil
}

// A cursor is the place of a page's last record in the order of creation.
func cursorOf(meta Meta) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(meta.Created.UnixNano(), 10) + " " + meta.ID))
}

func parseCursor[T any](cursor string) (*Entry[T], error) {
	if cursor == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	nanos, id, found := strings.Cut(string(raw), " ")
	created, numberErr := strconv.ParseInt(nanos, 10, 64)
	if err != nil || !found || numberErr != nil {
		return nil, services.Invalidf("cursor", "must be the next cursor of a page, got %.80q", cursor)
	}
	return &Entry[T]{meta: Meta{ID: id, Created: time.Unix(0, created)}}, nil
}
