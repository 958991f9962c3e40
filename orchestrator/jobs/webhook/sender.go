package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The headers of a message.
const (
	HeaderID        = "Grym-Webhook-Id"
	HeaderTimestamp = "Grym-Webhook-Timestamp"
	HeaderSignature = "Grym-Signature"
)

// maxAnswer is how much of a receiver's answer is read; nothing in it counts.
const maxAnswer = 16 << 10

// Sender posts messages. Safe for concurrent use.
type Sender struct {
	cfg    Config
	client *http.Client
	// now is the clock of the timestamps.
	now func() time.Time
}

// New returns a sender. Its connections are closed after each message.
func New(cfg Config) *Sender {
	dialer := &net.Dialer{Timeout: cfg.Timeout}
	if !cfg.AllowPrivate {
		dialer.Control = checkDial
	}
	return &Sender{cfg: cfg, now: time.Now, client: &http.Client{
		Timeout: cfg.Timeout,
		Transport: &http.Transport{
			// No proxy from the environment: it would connect without the address
			// check.
			Proxy:       nil,
			DialContext: dialer.DialContext,
			// Messages are rare; an idle connection would have to be closed by someone.
			DisableKeepAlives:      true,
			TLSHandshakeTimeout:    cfg.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// Redirects are not followed: their target was not requested.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send posts a message once. It returns the receiver's status, 0 if there was none, and
// an error unless that is 2xx. The id is the same for every attempt.
func (s *Sender) Send(ctx context.Context, address, id string, body []byte) (status int, err error) {
	if err := s.CheckURL(address); err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("webhook: %w", err)
	}
	timestamp := strconv.FormatInt(s.now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "grym-synth")
	request.Header.Set(HeaderID, id)
	request.Header.Set(HeaderTimestamp, timestamp)
	request.Header.Set(HeaderSignature, Sign([]byte(s.cfg.Secret), timestamp, body))
	response, err := s.client.Do(request)
	if err != nil {
		return 0, s.explain(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	switch {
	case response.StatusCode >= 200 && response.StatusCode < 300:
		return response.StatusCode, nil
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return response.StatusCode, fmt.Errorf("the receiver answered %d; redirects are not followed", response.StatusCode)
	}
	return response.StatusCode, fmt.Errorf("the receiver answered %d", response.StatusCode)
}

// explain returns why there was no answer, for the log that the client sees: without
// the URL, which it knows, and without resolved addresses, which it must not learn.
func (s *Sender) explain(err error) error {
	// Whether a name is unknown, or has an internal address, must look the same: else
	// anyone who submits jobs could find out which internal names exist.
	var name *net.DNSError
	if !s.cfg.AllowPrivate && (errors.As(err, &name) || errors.Is(err, ErrForbiddenAddress)) {
		return ErrNoPublicAddress
	}
	var whole *url.Error
	if errors.As(err, &whole) {
		if whole.Timeout() {
			return fmt.Errorf("the receiver did not answer within %s: %w", s.cfg.Timeout, context.DeadlineExceeded)
		}
		err = whole.Err
	}
	var dial *net.OpError
	switch {
	case errors.As(err, &name):
		return errors.New("the receiver's name could not be resolved")
	case errors.As(err, &dial):
		err = dial.Err
	}
	return fmt.Errorf("the receiver was not reached: %w", err)
}

// Sign returns the value of Grym-Signature: HMAC-SHA256 under the secret, of the
// timestamp as it stands in its header, a full stop and the body.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp))
	mac.Write([]byte("."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}
