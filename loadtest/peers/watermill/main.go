// Watermill's outbox: its forwarder, with a subscription to a table of Postgres and a publisher to Kafka, put together
// as the example of its forwarder shows, with those two in place of the example's. A program of the benchmark.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
)

const outboxTopic = "events_to_forward"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatalf("error: %v", err)
	}
}

func run(ctx context.Context) error {
	logger := watermill.NewStdLogger(false, false)
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.ConnConfig.RuntimeParams["search_path"] = os.Getenv("PEER_SCHEMA")
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()

	subscriber, err := sql.NewSubscriber(sql.BeginnerFromPgx(pool), sql.SubscriberConfig{
		SchemaAdapter:    sql.DefaultPostgreSQLSchema{SubscribeBatchSize: setting("PEER_BATCH")},
		OffsetsAdapter:   sql.DefaultPostgreSQLOffsetsAdapter{},
		PollInterval:     time.Duration(setting("PEER_POLL_MS")) * time.Millisecond,
		InitializeSchema: true,
	}, logger)
	if err != nil {
		return err
	}
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers:               strings.Split(os.Getenv("KAFKA_BROKERS"), ","),
		Marshaler:             kafka.NewWithPartitioningMarshaler(partitionKey),
		OverwriteSaramaConfig: producerConfig(),
	}, logger)
	if err != nil {
		return err
	}
	forward, err := forwarder.NewForwarder(subscriber, publisher, logger, forwarder.Config{ForwarderTopic: outboxTopic})
	if err != nil {
		return err
	}
	return forward.Run(ctx)
}

func partitionKey(_ string, msg *message.Message) (string, error) {
	return msg.Metadata.Get("partition_key"), nil
}

// Watermill's own settings of the client, and what is the same for all that are measured: acks=all, idempotence, lz4.
// A broker of Kafka 4 no longer speaks the protocol of Kafka 1.0, which Watermill asks for.
func producerConfig() *sarama.Config {
	config := kafka.DefaultSaramaSyncPublisherConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Compression = sarama.CompressionLZ4
	config.Producer.Flush.Frequency = time.Duration(setting("PEER_LINGER_MS")) * time.Millisecond
	return config
}

func setting(name string) int {
	value, err := strconv.Atoi(os.Getenv(name))
	if err != nil || value < 0 {
		log.Fatalf("error: %s is no number: %q", name, os.Getenv(name))
	}
	return value
}
