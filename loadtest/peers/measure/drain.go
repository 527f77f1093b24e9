package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// Gives up when nothing has arrived for a while.
type arrivals struct {
	patience time.Duration
	last     int64
	at       time.Time
}

func newArrivals(patience time.Duration) *arrivals {
	return &arrivals{patience: patience, last: -1, at: time.Now()}
}

func (a *arrivals) saw(count int64) error {
	if count != a.last {
		a.last, a.at = count, time.Now()
		return nil
	}
	if time.Since(a.at) > a.patience {
		return fmt.Errorf("nothing has arrived for %s, after %d", a.patience, count)
	}
	return nil
}

type drained struct {
	Peer            string          `json:"peer"`
	Version         string          `json:"version"`
	Events          int64           `json:"events"`
	Seconds         float64         `json:"seconds"`
	EventsPerSecond float64         `json:"events_per_second"`
	RSSIdleBytes    int64           `json:"rss_idle_bytes"`
	RSSPeakBytes    int64           `json:"rss_peak_bytes"`
	CPUSeconds      float64         `json:"cpu_seconds"`
	Settings        json.RawMessage `json:"settings"`
}

// Watches a peer work off a backlog. The time runs from the first arrival that is seen to the last, or to the end of
// the given seconds; what had arrived when the time began to run is not counted.
func drain(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("drain", flag.ExitOnError)
	var ends ends
	ends.flags(flags)
	var out drained
	flags.StringVar(&out.Peer, "peer", "", "name in the result")
	flags.StringVar(&out.Version, "version", "", "version in the result")
	flags.Int64Var(&out.RSSIdleBytes, "idle-bytes", 0, "resident bytes of the idle process")
	settings := flags.String("settings", "{}", "JSON, for the result")
	pid := flags.Int("pid", 0, "the peer's process")
	expect := flags.Int64("expect", 0, "how many are to arrive")
	seconds := flags.Int("seconds", 60, "how long at most")
	patience := flags.Int("patience", 60, "seconds without an arrival after which it is given up")
	resume := flags.String("resume", "", "HTTP address to PUT to once the watch has begun")
	_ = flags.Parse(args)
	out.Settings = json.RawMessage(*settings)
	if !json.Valid(out.Settings) {
		return fmt.Errorf("-settings is not JSON: %s", *settings)
	}

	counter, err := ends.counter(ctx)
	if err != nil {
		return err
	}
	defer counter.close()
	// What came of the warm-up. Without one, the peer may be at work already.
	var before int64
	if *resume != "" {
		if before, err = counter.count(ctx); err != nil {
			return err
		}
		if err := put(ctx, *resume); err != nil {
			return err
		}
	}
	watch := watch{counter: counter, pid: *pid, all: before + *expect, seconds: *seconds, every: 50 * time.Millisecond}
	if ends.countTable != "" {
		// Counting rows is work for the database that is measured.
		watch.every = 500 * time.Millisecond
	}
	if err := watch.run(ctx, before, time.Duration(*patience)*time.Second); err != nil {
		return err
	}
	out.Events, out.Seconds = watch.events, watch.took.Seconds()
	if out.Seconds > 0 {
		out.EventsPerSecond = float64(out.Events) / out.Seconds
	}
	out.RSSPeakBytes, out.CPUSeconds = watch.peakBytes, watch.cpuSeconds
	if watch.arrived > watch.all {
		fmt.Fprintf(os.Stderr, "%d more than expected have arrived: repeats\n", watch.arrived-watch.all)
	}
	return printJSON(out)
}

type watch struct {
	counter counter
	pid     int
	all     int64
	seconds int
	every   time.Duration

	arrived    int64
	events     int64
	took       time.Duration
	peakBytes  int64
	cpuSeconds float64
}

func (w *watch) run(ctx context.Context, before int64, patience time.Duration) error {
	var began time.Time
	var first int64
	var atFirst usage
	arrivals := newArrivals(patience)
	for {
		arrived, err := w.counter.count(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		used, err := usageOf(w.pid)
		if err != nil {
			return err
		}
		if err := arrivals.saw(arrived); err != nil {
			return err
		}
		w.peakBytes = max(w.peakBytes, used.residentBytes)
		if began.IsZero() && arrived > before {
			began, first, atFirst = now, arrived, used
		}
		if !began.IsZero() {
			w.arrived = arrived
			w.events, w.took = min(arrived, w.all)-first, now.Sub(began)
			w.cpuSeconds = used.cpuSeconds - atFirst.cpuSeconds
			if arrived >= w.all || w.took >= time.Duration(w.seconds)*time.Second {
				return nil
			}
		}
		time.Sleep(w.every)
	}
}
