package main

import (
	"context"
	"flag"
	"time"
)

// Appends rows for some seconds, never more than some ahead of what has arrived, then waits until all have: the work by
// which a virtual machine gets warm. Prints the number of the row that follows.
func feed(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("feed", flag.ExitOnError)
	var ends ends
	ends.flags(flags)
	seconds := flags.Int("seconds", 60, "how long")
	ahead := flags.Int64("ahead", 20_000, "rows that may be on their way")
	patience := flags.Int("patience", 60, "seconds without an arrival after which it is given up")
	_ = flags.Parse(args)

	counter, err := ends.counter(ctx)
	if err != nil {
		return err
	}
	defer counter.close()
	appender, err := ends.appender(ctx)
	if err != nil {
		return err
	}
	defer appender.close()

	const rows = 1_000
	began := time.Now()
	arrivals := newArrivals(time.Duration(*patience) * time.Second)
	var appended int64
	for {
		arrived, err := counter.count(ctx)
		if err != nil {
			return err
		}
		if err := arrivals.saw(arrived); err != nil {
			return err
		}
		over := time.Since(began) >= time.Duration(*seconds)*time.Second
		switch {
		case over && arrived >= appended:
			return printJSON(appended)
		case !over && appended-arrived < *ahead:
			if err := appender.append(ctx, appended, rows); err != nil {
				return err
			}
			appended += rows
		default:
			time.Sleep(20 * time.Millisecond)
		}
	}
}

type appender interface {
	append(ctx context.Context, first int64, rows int) error
	close()
}

func (e *ends) appender(ctx context.Context) (appender, error) {
	if e.itemsTo != "" {
		return newItemProducer(e.itemsTo)
	}
	pool, err := e.pool(ctx, 1)
	if err != nil {
		return nil, err
	}
	return &rowAppender{pool}, nil
}
