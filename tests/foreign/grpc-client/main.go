// A client of Depot's query API made by protoc-gen-go-grpc: it writes over REST, and reads and watches over gRPC.
//
// GRPC is HOST:PORT, COMMAND_URL the command API, TOKEN a bearer token with the role writer.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"depot/tests/foreign/grpc-client/depotv1"
)

// Long enough for any machine: what ends well ends far sooner.
const deadline = 60 * time.Second

type client struct {
	queries  depotv1.QueryServiceClient
	commands commands
	token    string
}

func main() {
	log.SetFlags(0)
	connection, err := grpc.NewClient(setting("GRPC"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := client{
		queries:  depotv1.NewQueryServiceClient(connection),
		commands: commands{url: setting("COMMAND_URL"), token: setting("TOKEN")},
		token:    setting("TOKEN"),
	}
	if err := client.roundTrip(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("round trip: ok")
}

func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		log.Fatalf("%s is not set", name)
	}
	return value
}

func (c client) roundTrip() error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)

	tag := fmt.Sprintf("go-%d", time.Now().UnixNano())
	stream, err := c.queries.WatchItems(ctx, &depotv1.WatchItemsRequest{Tag: tag})
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	// The first message says from where on, so that no change after it is missed.
	first, err := stream.Recv()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if first.GetChange() != nil {
		return fmt.Errorf("the first message has a change: %v", first)
	}

	created, err := c.commands.create(ctx, "A lamp", tag)
	if err != nil {
		return err
	}
	if err := c.read(ctx, created, "A lamp"); err != nil {
		return err
	}
	changed, err := c.commands.rename(ctx, created, "A green lamp")
	if err != nil {
		return err
	}
	if err := c.read(ctx, changed, "A green lamp"); err != nil {
		return err
	}
	resume, err := expectChanges(stream, created, changed)
	if err != nil {
		return err
	}

	gone, err := c.commands.delete(ctx, changed)
	if err != nil {
		return err
	}
	if err := c.expectGone(ctx, gone); err != nil {
		return err
	}
	// Another stream goes on behind the message from which it has its token.
	resumed, err := c.queries.WatchItems(ctx, &depotv1.WatchItemsRequest{Tag: tag, ResumeToken: resume})
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if _, err := expectChanges(resumed, gone); err != nil {
		return err
	}
	return c.expectRefusals(ctx, gone)
}

// An answer of the version that was written: the view is waited for.
func (c client) read(ctx context.Context, written version, name string) error {
	item, err := c.queries.GetItem(ctx, &depotv1.GetItemRequest{
		Id:      written.id,
		AtLeast: &depotv1.AtLeast{MinVersion: written.token, Wait: durationpb.New(30 * time.Second)},
	})
	if err != nil {
		return fmt.Errorf("read version %s: %w", written.token, err)
	}
	if item.GetName() != name || item.GetVersion() != written.token {
		return fmt.Errorf("expected %q in version %s: %v", name, written.token, item)
	}
	return nil
}

// Receives until each of these was told of, in this order and nothing else; answers the last token.
func expectChanges(stream grpc.ServerStreamingClient[depotv1.WatchItemsResponse], expected ...version) (string, error) {
	token := ""
	for _, next := range expected {
		for {
			message, err := stream.Recv()
			if err != nil {
				return "", fmt.Errorf("watch for version %s: %w", next.token, err)
			}
			token = message.GetResumeToken()
			change := message.GetChange()
			if change == nil {
				continue
			}
			if change.GetItemId() != next.id || change.GetVersion() != next.token {
				return "", fmt.Errorf("expected version %s of %s: %v", next.token, next.id, change)
			}
			break
		}
	}
	return token, nil
}

func (c client) expectGone(ctx context.Context, gone version) error {
	_, err := c.queries.GetItem(ctx, &depotv1.GetItemRequest{
		Id:      gone.id,
		AtLeast: &depotv1.AtLeast{MinVersion: gone.token, Wait: durationpb.New(30 * time.Second)},
	})
	if err := expectRefusal(err, codes.NotFound, "ITEM_DELETED"); err != nil {
		return fmt.Errorf("a deleted item: %w", err)
	}
	return nil
}

func (c client) expectRefusals(ctx context.Context, gone version) error {
	// A version that never comes, with a deadline of the call alone: the answer comes before it is over.
	soon, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := c.queries.GetItem(soon, &depotv1.GetItemRequest{
		Id:      gone.id,
		AtLeast: &depotv1.AtLeast{MinVersion: "1000000"},
	})
	// On a machine that is busy enough the client's own clock comes first.
	if status.Code(err) != codes.DeadlineExceeded {
		if err := expectRefusal(err, codes.Unavailable, "READ_MODEL_BEHIND"); err != nil {
			return fmt.Errorf("a version that never comes: %w", err)
		}
	}
	withoutToken, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	_, err = c.queries.GetItem(withoutToken, &depotv1.GetItemRequest{Id: gone.id})
	if err := expectRefusal(err, codes.Unauthenticated, "INVALID_TOKEN"); err != nil {
		return fmt.Errorf("no token: %w", err)
	}
	return nil
}

// That it failed with that code, and the reason that programs tell failures by.
func expectRefusal(err error, code codes.Code, reason string) error {
	refusal, _ := status.FromError(err)
	for _, detail := range refusal.Details() {
		info, isInfo := detail.(*errdetails.ErrorInfo)
		if isInfo && refusal.Code() == code && info.GetDomain() == "depot" && info.GetReason() == reason {
			return nil
		}
	}
	return fmt.Errorf("expected %v with the reason %s: %v with %v", code, reason, err, refusal.Details())
}
