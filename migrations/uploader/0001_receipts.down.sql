DROP TABLE uploader.receipts, uploader.objects;
ALTER DEFAULT PRIVILEGES IN SCHEMA uploader REVOKE ALL ON TABLES FROM depot_uploader;
ALTER DEFAULT PRIVILEGES IN SCHEMA uploader REVOKE ALL ON SEQUENCES FROM depot_uploader;
REVOKE USAGE ON SCHEMA uploader FROM depot_uploader;
