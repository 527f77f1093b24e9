package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Asks Kafka Connect for something that takes no body, as to resume a connector.
func put(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return fmt.Errorf("PUT %s: %s: %s", address, response.Status, body)
	}
	return nil
}
