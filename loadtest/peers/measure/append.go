package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Appends rows to the peer's outbox, each call a transaction of its own.
type rowAppender struct{ pool *pgxpool.Pool }

func (a *rowAppender) append(ctx context.Context, first int64, rows int) error {
	_, err := a.pool.Exec(ctx, "SELECT append($1, $2)", first, rows)
	return err
}

func (a *rowAppender) close() { a.pool.Close() }
