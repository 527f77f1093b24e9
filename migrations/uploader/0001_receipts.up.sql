-- What the uploader owns: one receipt an upload, and what lies in the bucket of files.
GRANT USAGE ON SCHEMA uploader TO depot_uploader;
ALTER DEFAULT PRIVILEGES IN SCHEMA uploader GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO depot_uploader;
ALTER DEFAULT PRIVILEGES IN SCHEMA uploader GRANT USAGE ON SEQUENCES TO depot_uploader;

-- What lies, lay, or may lie in the bucket of files. Rows stay when the object is gone: a key whose deletion was
-- decided is never used again, since a delete that is under way lands whenever it likes.
CREATE TABLE uploader.objects (
    -- <sha256>/<upload that first stored it>, with -<n> where that upload had to begin anew
    key        text PRIMARY KEY,
    sha256     text        NOT NULL,
    size_bytes bigint      NOT NULL,
    -- copying: committed before the first byte is copied. live: may be referred to. deleting: decided, not confirmed.
    -- deleted: the store confirmed it.
    state      text        NOT NULL CHECK (state IN ('copying', 'live', 'deleting', 'deleted')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
-- One content lies there once.
CREATE UNIQUE INDEX objects_live ON uploader.objects (sha256) WHERE state = 'live';
-- What the sweep looks at.
CREATE INDEX objects_unsettled ON uploader.objects (updated_at) WHERE state IN ('copying', 'deleting');

-- The outcome of each upload, kept as long as the upload is: delivered twice or too late, the answer is the same.
CREATE TABLE uploader.receipts (
    upload_id  uuid PRIMARY KEY,
    item_id    uuid        NOT NULL,
    -- removing: the file is being let go of, and `object_key` still names it. removed and cancelled are for good.
    outcome    text        NOT NULL CHECK (outcome IN ('stored', 'rejected', 'removing', 'removed', 'cancelled')),
    object_key text        REFERENCES uploader.objects (key),
    reason     text,
    -- The version of the newest fact told about this upload's file.
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((outcome IN ('stored', 'removing')) = (object_key IS NOT NULL))
);
-- Who else refers to an object.
CREATE INDEX receipts_by_object ON uploader.receipts (object_key) WHERE object_key IS NOT NULL;
