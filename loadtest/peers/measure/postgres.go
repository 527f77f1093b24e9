package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Where rows go to, and where their messages are counted.
type ends struct {
	schema     string
	topic      string
	countTable string
	itemsTo    string
}

func (e *ends) flags(flags *flag.FlagSet) {
	flags.StringVar(&e.schema, "schema", "", "schema of the peer, with its append(first, count)")
	flags.StringVar(&e.topic, "topic", "", "topic that the peer writes to")
	flags.StringVar(&e.countTable, "count-table", "", "count the rows of this table instead of the topic's messages")
	flags.StringVar(&e.itemsTo, "items-to", "", "append items to this topic instead of rows to the outbox")
}

// The connections see the peer's schema, and its append() finds the topic.
func (e *ends) pool(ctx context.Context, size int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(size)
	config.ConnConfig.RuntimeParams["search_path"] = e.schema
	config.ConnConfig.RuntimeParams["peers.topic"] = e.topic
	return pgxpool.NewWithConfig(ctx, config)
}

type counter interface {
	count(context.Context) (int64, error)
	close()
}

func (e *ends) counter(ctx context.Context) (counter, error) {
	if e.countTable == "" {
		return newTopicCount(e.topic)
	}
	pool, err := e.pool(ctx, 1)
	return &tableCount{pool, e.countTable}, err
}

// How many rows are visible in a table.
type tableCount struct {
	pool  *pgxpool.Pool
	table string
}

func (c *tableCount) count(ctx context.Context) (int64, error) {
	var rows int64
	sql := fmt.Sprintf("SELECT count(*) FROM %s", pgx.Identifier{c.table}.Sanitize())
	err := c.pool.QueryRow(ctx, sql).Scan(&rows)
	return rows, err
}

func (c *tableCount) close() { c.pool.Close() }
