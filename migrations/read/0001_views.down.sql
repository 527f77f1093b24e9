DROP TABLE read.cache_generation, read.pending_cache, read.owner_statistics, read.tag_statistics, read.uploads,
    read.item_history, read.items, read.offsets, read.active_projection;
ALTER DEFAULT PRIVILEGES IN SCHEMA read REVOKE ALL ON TABLES FROM depot_projector, depot_query;
REVOKE USAGE ON SCHEMA read FROM depot_projector, depot_query;
