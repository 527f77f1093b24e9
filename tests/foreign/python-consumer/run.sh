#!/usr/bin/env bash
# consumer.py with what `deploy/native/install.sh clients` installs: run.sh follow|show STORE
source "$(dirname "$0")/../../../deploy/native/settings.sh"

modules=$STACK_TOOLS_DIR/python-consumer
[[ -d $modules ]] || die "confluent-kafka is not installed: run \`deploy/native/install.sh clients\`"
# In the place of this shell: a signal reaches it.
PYTHONPATH=$modules exec python3 "$REPO_DIR/tests/foreign/python-consumer/consumer.py" "$@"
