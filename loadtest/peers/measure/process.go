package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Ticks of a process's times a second, a constant of Linux's interface.
const ticksPerSecond = 100

var errProcessGone = errors.New("the peer's process has ended")

// What a process has taken so far: resident bytes now, processor seconds of user and system since its start.
type usage struct {
	residentBytes int64
	cpuSeconds    float64
}

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, errProcessGone
	}
	// The name in parentheses may hold anything; the fields are counted from behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 || fields[0] == "Z" {
		return usage{}, errProcessGone
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return usage{
		residentBytes: pages * int64(os.Getpagesize()),
		cpuSeconds:    float64(user+system) / ticksPerSecond,
	}, nil
}
