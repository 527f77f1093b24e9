#!/usr/bin/env bash
# Stops the services, then the private backing services. Data stays.
source "$(dirname "$0")/settings.sh"

"$NATIVE_DIR/services.sh" stop
"$NATIVE_DIR/backing.sh" stop
if [[ -x $STACK_TOOLS_DIR/bin/versitygw ]]; then "$NATIVE_DIR/second-store.sh" stop; fi
