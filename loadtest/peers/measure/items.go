package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Messages as Kafka Connect's JsonConverter reads them with a schema, which the JDBC sink needs to know the columns: an
// item's fields, keyed by its id. Without a registry of schemas each message carries its own.
const (
	keyFormat   = `{"schema":{"type":"struct","fields":[{"field":"id","type":"string"}]},"payload":{"id":"%s"}}`
	valueFormat = `{"schema":{"type":"struct","fields":[{"field":"id","type":"string"},{"field":"owner","type":"string"},` +
		`{"field":"name","type":"string"},{"field":"description","type":"string"},{"field":"tags","type":"string"},` +
		`{"field":"attributes","type":"string"},{"field":"status","type":"string"},{"field":"version","type":"int64"},` +
		`{"field":"created_at","type":"string"},{"field":"updated_at","type":"string"}]},"payload":{"id":"%s",` +
		`"owner":"user-%06d","name":"Item %d","description":"A sample of the measurement series, taken from the north ` +
		`shelf and kept for comparison with those that will follow in spring; handle with care, and put it back into its ` +
		`own box afterwards, where the next one looks for it.","tags":"sample,north-shelf,series-7","attributes":` +
		`"{\"sequence\":%d,\"colour\":\"blue\",\"weight_grams\":1250,\"supplier\":\"Example Works\",\"batch\":\"2026-11-B\"}",` +
		`"status":"draft","version":1,"created_at":"2026-11-24T10:00:00.123456Z","updated_at":"2026-11-24T10:00:00.123456Z"}}`
)

type itemProducer struct {
	client *kgo.Client
	topic  string
}

func newItemProducer(topic string) (*itemProducer, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers()...), kgo.ProducerLinger(2*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(10_000))
	return &itemProducer{client, topic}, err
}

func (p *itemProducer) append(ctx context.Context, first int64, rows int) error {
	records := make([]*kgo.Record, 0, rows)
	for n := first; n < first+int64(rows); n++ {
		id := fmt.Sprintf("01936f00-0000-7000-8000-%012x", n)
		records = append(records, &kgo.Record{
			Topic: p.topic,
			Key:   fmt.Appendf(nil, keyFormat, id),
			Value: fmt.Appendf(nil, valueFormat, id, n%1000, n, n),
		})
	}
	return p.client.ProduceSync(ctx, records...).FirstErr()
}

func (p *itemProducer) close() { p.client.Close() }

func produceItems(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("produce-items", flag.ExitOnError)
	topic := flags.String("topic", "", "where to")
	first := flags.Int64("first", 0, "number of the first item")
	rows := flags.Int64("rows", 0, "how many")
	_ = flags.Parse(args)
	producer, err := newItemProducer(*topic)
	if err != nil {
		return err
	}
	defer producer.close()
	const batch = 2_000
	for done := int64(0); done < *rows; done += batch {
		if err := producer.append(ctx, *first+done, int(min(batch, *rows-done))); err != nil {
			return err
		}
	}
	return nil
}
