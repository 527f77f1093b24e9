#!/usr/bin/env bash
# Consumer.java on the jars that the broker brings (`deploy/native/install.sh clients`): run.sh FOLDER
source "$(dirname "$0")/../../../deploy/native/settings.sh"

jars=$STACK_TOOLS_DIR/kafka
[[ -d $jars ]] || die "Kafka's jars are not installed: run \`deploy/native/install.sh clients\`"
# In the place of this shell: a signal reaches it.
exec java -Xmx256m -cp "$jars/*" "$REPO_DIR/tests/foreign/java-consumer/Consumer.java" "$@"
