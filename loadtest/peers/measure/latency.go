package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Connections that commit, so that one slow commit holds no other back.
const committers = 16

var sequence = regexp.MustCompile(`"sequence":\s*(\d+)`)

type lateness struct {
	Peer              string  `json:"peer"`
	Version           string  `json:"version"`
	P50               float64 `json:"p50_ms"`
	P99               float64 `json:"p99_ms"`
	Max               float64 `json:"max_ms"`
	Sent              int     `json:"sent"`
	Received          int     `json:"received"`
	Repeats           int     `json:"repeats"`
	Rate              int     `json:"rate_per_second"`
	CommitsAtMostLate float64 `json:"commits_at_most_late_ms"`
}

// Commits rows at a constant rate and takes the time from each commit to the moment at which a consumer has the message.
// Rows of the warm-up are sent alike, and left out of the result.
func latency(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("latency", flag.ExitOnError)
	var ends ends
	ends.flags(flags)
	var out lateness
	flags.StringVar(&out.Peer, "peer", "", "name in the result")
	flags.StringVar(&out.Version, "version", "", "version in the result")
	flags.IntVar(&out.Rate, "rate", 500, "rows a second")
	seconds := flags.Int("seconds", 30, "how long")
	warmUp := flags.Int("warm-up", 5, "seconds before that, at the same rate")
	pid := flags.Int("pid", 0, "the peer's process")
	_ = flags.Parse(args)

	run := latencyRun{
		committed: make(map[int64]time.Time), arrived: make(map[int64]time.Time),
		skipped: int64(out.Rate * *warmUp), total: int64(out.Rate * (*warmUp + *seconds)),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(brokers()...), kgo.ConsumeTopics(ends.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	go run.consume(ctx, consumer)
	if err := run.commit(ctx, &ends, out.Rate); err != nil {
		return err
	}
	// What is still on its way gets half a minute.
	for deadline := time.Now().Add(30 * time.Second); run.outstanding() > 0 && time.Now().Before(deadline); {
		if _, err := usageOf(*pid); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	run.report(&out)
	if out.Received == 0 {
		return fmt.Errorf("none of %d messages has arrived", out.Sent)
	}
	return printJSON(out)
}

type latencyRun struct {
	skipped, total int64

	lock       sync.Mutex
	committed  map[int64]time.Time
	arrived    map[int64]time.Time
	repeats    int
	latestLate time.Duration
	failed     error
}

// Each row has its moment, whether those before it were slow or not.
func (r *latencyRun) commit(ctx context.Context, ends *ends, rate int) error {
	pool, err := ends.pool(ctx, committers)
	if err != nil {
		return err
	}
	defer pool.Close()
	type row struct {
		n   int64
		due time.Time
	}
	rows := make(chan row, r.total)
	var workers sync.WaitGroup
	for range committers {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for row := range rows {
				_, err := pool.Exec(ctx, "SELECT append($1, 1)", row.n)
				r.commitEnded(row.n, row.due, err)
			}
		}()
	}
	began := time.Now()
	for n := range r.total {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		rows <- row{n, due}
	}
	close(rows)
	workers.Wait()
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.failed
}

func (r *latencyRun) commitEnded(n int64, due time.Time, err error) {
	now := time.Now()
	r.lock.Lock()
	defer r.lock.Unlock()
	if err != nil {
		r.failed = err
		return
	}
	r.committed[n] = now
	if n >= r.skipped {
		r.latestLate = max(r.latestLate, now.Sub(due))
	}
}

func (r *latencyRun) consume(ctx context.Context, consumer *kgo.Client) {
	for ctx.Err() == nil {
		fetches := consumer.PollFetches(ctx)
		now := time.Now()
		r.lock.Lock()
		fetches.EachRecord(func(record *kgo.Record) {
			match := sequence.FindSubmatch(record.Value)
			if match == nil {
				return
			}
			n, _ := strconv.ParseInt(string(match[1]), 10, 64)
			if _, repeat := r.arrived[n]; repeat {
				r.repeats++
				return
			}
			r.arrived[n] = now
		})
		r.lock.Unlock()
	}
}

func (r *latencyRun) outstanding() int {
	r.lock.Lock()
	defer r.lock.Unlock()
	return len(r.committed) - len(r.arrived)
}

func (r *latencyRun) report(out *lateness) {
	r.lock.Lock()
	defer r.lock.Unlock()
	var late []float64
	for n, committed := range r.committed {
		if n < r.skipped {
			continue
		}
		out.Sent++
		if arrived, ok := r.arrived[n]; ok {
			// A peer may be quicker than the answer to the commit.
			late = append(late, max(0, arrived.Sub(committed).Seconds()*1000))
		}
	}
	out.Received, out.Repeats, out.CommitsAtMostLate = len(late), r.repeats, r.latestLate.Seconds()*1000
	if len(late) == 0 {
		return
	}
	sort.Float64s(late)
	at := func(share float64) float64 { return late[min(len(late)-1, int(share*float64(len(late))))] }
	out.P50, out.P99, out.Max = at(0.50), at(0.99), late[len(late)-1]
}
