CREATE TABLE item_view (
    id          text PRIMARY KEY,
    owner       text NOT NULL,
    name        text NOT NULL,
    description text NOT NULL,
    tags        text NOT NULL,
    attributes  text NOT NULL,
    status      text NOT NULL,
    version     bigint NOT NULL,
    created_at  text NOT NULL,
    updated_at  text NOT NULL
);
