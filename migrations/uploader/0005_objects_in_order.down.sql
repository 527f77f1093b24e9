DROP INDEX uploader.objects_live_in_order;
