package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Writes items over REST.
type commands struct {
	url   string
	token string
}

// An item in a version, by the token that its ETag carries: opaque text.
type version struct {
	id    string
	token string
}

func (c commands) create(ctx context.Context, name, tag string) (version, error) {
	content := map[string]any{"name": name, "tags": []string{tag}}
	// The same key in a second attempt would get the first one's answer.
	headers := map[string]string{"Idempotency-Key": rand.Text(), "Content-Type": "application/json"}
	body, token, err := c.send(ctx, http.MethodPost, "/api/v1/items", headers, content)
	if err != nil {
		return version{}, err
	}
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &created); err != nil {
		return version{}, fmt.Errorf("the answer to a create: %w", err)
	}
	return version{created.ID, token}, nil
}

func (c commands) rename(ctx context.Context, from version, name string) (version, error) {
	headers := map[string]string{"If-Match": quoted(from.token), "Content-Type": "application/merge-patch+json"}
	_, token, err := c.send(ctx, http.MethodPatch, "/api/v1/items/"+from.id, headers, map[string]any{"name": name})
	return version{from.id, token}, err
}

func (c commands) delete(ctx context.Context, from version) (version, error) {
	headers := map[string]string{"If-Match": quoted(from.token)}
	_, token, err := c.send(ctx, http.MethodDelete, "/api/v1/items/"+from.id, headers, nil)
	return version{from.id, token}, err
}

// Answers the body and the version in the ETag.
func (c commands) send(
	ctx context.Context, method, path string, headers map[string]string, content any,
) ([]byte, string, error) {
	var body io.Reader
	if content != nil {
		encoded, err := json.Marshal(content)
		if err != nil {
			return nil, "", err
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	answered, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, "", err
	}
	token := strings.Trim(answer.Header.Get("ETag"), `"`)
	if answer.StatusCode/100 != 2 || token == "" {
		return nil, "", fmt.Errorf("%s %s: %s, ETag %q: %s", method, path, answer.Status, token, answered)
	}
	return answered, token, nil
}

func quoted(token string) string {
	return `"` + token + `"`
}
