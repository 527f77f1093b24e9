#!/usr/bin/env bash
# As the program of that name in an installation of Kafka, which its artifacts in Maven come without.
tools=${STACK_TOOLS_DIR:-$(cd "$(dirname "$0")/../../../../../.." && pwd)/.stack/tools}
exec java -cp "$tools/kafka/*" kafka.admin.ConfigCommand "$@"
