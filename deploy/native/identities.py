#!/usr/bin/env python3
"""Prints who may do what in the object store, as SeaweedFS reads it.

A bucket of a test begins as the real one does (staging-…, files-…), so that tests enter by the same three identities.
The rights that this store gives by a word are wide: one for PUT, DELETE and abort, one for GET and the list of parts.
So command-api has a policy: it signs, begins and aborts, and sees what has arrived; it neither reads nor deletes.
"""

import json
import os

STAGING = os.environ["S3_STAGING_BUCKET"] + "*"
FILES = os.environ["S3_BUCKET"] + "*"


def identity(name, prefix, **rights):
    keys = {
        "accessKey": os.environ[prefix + "_MINIO_ACCESS_KEY"],
        "secretKey": os.environ[prefix + "_MINIO_SECRET_KEY"],
    }
    return {"name": name, "credentials": [keys], **rights}


def statement(resource, *actions):
    return {
        "Effect": "Allow",
        "Action": ["s3:" + action for action in actions],
        "Resource": "arn:aws:s3:::" + resource,
    }


COMMAND_API = {
    "Version": "2012-10-17",
    "Statement": [
        statement(STAGING + "/*", "PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"),
        statement(STAGING, "ListBucket"),
    ],
}
EVERYTHING_IN_BOTH = [f"{right}:{bucket}" for bucket in (STAGING, FILES) for right in ("Read", "Write", "List")]

print(
    json.dumps(
        {
            "identities": [
                identity("stack", "STACK", actions=["Admin"]),
                identity("command-api", "COMMAND_API", actions=[], policyNames=["command-api"]),
                identity("query-api", "QUERY_API", actions=["Read:" + FILES]),
                identity("uploader", "UPLOADER", actions=EVERYTHING_IN_BOTH),
            ],
            "policies": [{"name": "command-api", "content": json.dumps(COMMAND_API)}],
        },
        indent=2,
    )
)
