package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func brokers() []string {
	return strings.Split(os.Getenv("KAFKA_BROKERS"), ",")
}

func newAdmin() (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers()...), kgo.RequestRetries(3))
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}

func createTopic(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("create-topic", flag.ExitOnError)
	topic := flags.String("topic", "", "name")
	partitions := flags.Int("partitions", 6, "number of partitions")
	_ = flags.Parse(args)
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err = admin.CreateTopic(ctx, int32(*partitions), 1, nil, *topic)
	return err
}

// Deletes all topics and consumer groups whose name begins with the prefix, those of an earlier run that was killed
// among them.
func clearKafka(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("clear", flag.ExitOnError)
	prefix := flags.String("prefix", "", "what the names begin with")
	_ = flags.Parse(args)
	if !strings.HasPrefix(*prefix, "peers.") {
		return fmt.Errorf("%q is not a prefix of topics of the peers", *prefix)
	}
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	if names := withPrefix(topics.Names(), *prefix); len(names) > 0 {
		answers, err := admin.DeleteTopics(ctx, names...)
		if err = errors.Join(err, answers.Error()); err != nil {
			return err
		}
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if names := withPrefix(groups.Groups(), *prefix); len(names) > 0 {
		answers, err := admin.DeleteGroups(ctx, names...)
		return errors.Join(err, answers.Error())
	}
	return nil
}

func withPrefix(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// How many messages a topic holds: the sum of its partitions' high watermarks. Nothing is deleted from it, and nobody
// writes to it in transactions, so that each message counts once.
type topicCount struct {
	admin *kadm.Client
	topic string
}

func newTopicCount(topic string) (*topicCount, error) {
	admin, err := newAdmin()
	if err != nil {
		return nil, err
	}
	return &topicCount{admin, topic}, nil
}

func (c *topicCount) count(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	offsets, err := c.admin.ListEndOffsets(ctx, c.topic)
	if err != nil {
		return 0, err
	}
	if err := offsets.Error(); err != nil {
		return 0, err
	}
	var sum int64
	offsets.Each(func(offset kadm.ListedOffset) { sum += offset.Offset })
	return sum, nil
}

func (c *topicCount) close() { c.admin.Close() }
