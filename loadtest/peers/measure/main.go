// Measures a peer from outside: what has arrived in Kafka or in a table, what its process takes, how late a message is.
// It knows nothing of the peer but a topic, a statement that appends rows, and a process id.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

var commands = map[string]func(context.Context, []string) error{
	"create-topic":  createTopic,
	"clear":         clearKafka,
	"feed":          feed,
	"drain":         drain,
	"latency":       latency,
	"produce-items": produceItems,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: measure create-topic|clear|feed|drain|latency|produce-items -flag …")
		os.Exit(64)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: measure %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func printJSON(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}
