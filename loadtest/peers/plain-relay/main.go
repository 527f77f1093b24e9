// The relay that most people write: poll for rows that are not sent, lock them past those that others have locked,
// await each send, mark each row. A program of the benchmark, and no part of the product.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"
)

type row struct {
	ID          int64
	Topic       string
	AggregateID string
	Payload     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatalf("error: %v", err)
	}
}

func run(ctx context.Context) error {
	workers, batch := setting("PEER_WORKERS"), setting("PEER_BATCH")
	interval := time.Duration(setting("PEER_POLL_MS")) * time.Millisecond
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.MaxConns = int32(workers)
	config.ConnConfig.RuntimeParams["search_path"] = os.Getenv("PEER_SCHEMA")
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	// acks=all and idempotence are this client's defaults.
	producer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BROKERS"), ",")...),
		kgo.ProducerLinger(time.Duration(setting("PEER_LINGER_MS"))*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		return err
	}
	defer producer.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for range workers {
		running.Add(1)
		go func() {
			defer running.Done()
			for ctx.Err() == nil {
				sent, err := sendBatch(ctx, pool, producer, batch)
				if err != nil {
					cancel(err)
					return
				}
				if sent == 0 {
					sleep(ctx, interval)
				}
			}
		}()
	}
	running.Wait()
	return context.Cause(ctx)
}

// One transaction: the rows stay locked until all of them are sent and marked.
func sendBatch(ctx context.Context, pool *pgxpool.Pool, producer *kgo.Client, limit int) (sent int, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `SELECT id, topic, aggregate_id::text, payload FROM outbox
			WHERE sent_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`, limit)
		if err != nil {
			return err
		}
		rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
		if err != nil {
			return err
		}
		for _, row := range rows {
			record := &kgo.Record{Topic: row.Topic, Key: []byte(row.AggregateID), Value: []byte(row.Payload)}
			if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
				return fmt.Errorf("row %d is not sent: %w", row.ID, err)
			}
			if _, err := tx.Exec(ctx, "UPDATE outbox SET sent_at = now() WHERE id = $1", row.ID); err != nil {
				return err
			}
		}
		sent = len(rows)
		return nil
	})
	return sent, err
}

func setting(name string) int {
	value, err := strconv.Atoi(os.Getenv(name))
	if err != nil || value < 0 {
		log.Fatalf("error: %s is no number: %q", name, os.Getenv(name))
	}
	return value
}

func sleep(ctx context.Context, duration time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(duration):
	}
}
