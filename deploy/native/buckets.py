#!/usr/bin/env python3
"""Makes the buckets on any S3 server, then proves that an object goes in and comes back.

Idempotent; `depot buckets` sets their CORS rules later, when it is built. Reads MINIO_ENDPOINT, S3_REGION, S3_BUCKET,
S3_STAGING_BUCKET and STACK_MINIO_* from the environment. Only the standard library: four signed requests are no reason
to install a client.
"""

import datetime
import hashlib
import hmac
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

ENDPOINT = os.environ["MINIO_ENDPOINT"].rstrip("/")
REGION = os.environ.get("S3_REGION", "us-east-1")
ACCESS_KEY = os.environ["STACK_MINIO_ACCESS_KEY"]
SECRET_KEY = os.environ["STACK_MINIO_SECRET_KEY"]
PROBE_KEY = "depot-start-probe"


def signed(method, path, body=b""):
    """Sends a request signed by AWS Signature Version 4; returns status and body, also of a refusal."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    signed_headers = {
        "host": urllib.parse.urlsplit(ENDPOINT).netloc,
        "x-amz-content-sha256": digest,
        "x-amz-date": now,
    }
    names = ";".join(sorted(signed_headers))
    lines = "".join(f"{name}:{signed_headers[name]}\n" for name in sorted(signed_headers))
    canonical = "\n".join([method, path, "", lines, names, digest])
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    signed_headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    request = urllib.request.Request(ENDPOINT + path, data=body or None, method=method, headers=signed_headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def require(wanted, answer, what):
    status, body = answer
    if status not in wanted:
        sys.exit(f"{what}: {status} {body[:300].decode(errors='replace')}")
    return body


def main():
    for bucket in (os.environ.get("S3_STAGING_BUCKET", "staging"), os.environ.get("S3_BUCKET", "files")):
        if signed("HEAD", f"/{bucket}")[0] == 404:
            # 409: somebody else made it meanwhile.
            require({200, 409}, signed("PUT", f"/{bucket}"), f"make the bucket {bucket}")
        content = os.urandom(16)
        require({200}, signed("PUT", f"/{bucket}/{PROBE_KEY}", body=content), f"put an object into {bucket}")
        if require({200}, signed("GET", f"/{bucket}/{PROBE_KEY}"), f"get an object from {bucket}") != content:
            sys.exit(f"{bucket} gave another object back")
        require({200, 204}, signed("DELETE", f"/{bucket}/{PROBE_KEY}"), f"delete an object in {bucket}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{ENDPOINT}: {error}")
